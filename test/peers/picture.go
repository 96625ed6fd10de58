package main

import (
	"bytes"
	"fmt"
)

// The picture's measures, in pixels.
const (
	pictureWidth, pictureHeight = 720, 320
	left, right, top, bottom    = 60, 60, 40, 45
)

// draw makes a picture of throughput and memory against the number of
// references, as SVG that reads on light and dark pages.
func draw(points []point) []byte {
	var b bytes.Buffer
	most := float64(points[len(points)-1].references)
	fastest := 0.0
	for _, p := range points {
		fastest = max(fastest, p.rate())
	}
	ceiling := steps(fastest)
	const memory = 300.0 // MiB, at the top of its axis: above the limit
	x := func(n float64) float64 { return left + n/most*(pictureWidth-left-right) }
	y := func(share float64) float64 { return pictureHeight - bottom - share*(pictureHeight-top-bottom) }

	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n", pictureWidth, pictureHeight)
	fmt.Fprintf(&b, "<title>Throughput and peak memory against the number of references</title>\n")
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#ffffff"/>`+"\n", pictureWidth, pictureHeight)
	for i := range 6 {
		share := float64(i) / 5
		fmt.Fprintf(&b, `<path d="M%d %.1fH%d" stroke="#dddddd"/>`+"\n", left, y(share), pictureWidth-right)
		fmt.Fprintf(&b, `<text x="%d" y="%.1f" text-anchor="end" fill="#1f5fa8">%.0f</text>`+"\n", left-8, y(share)+4, share*ceiling)
		fmt.Fprintf(&b, `<text x="%d" y="%.1f" fill="#b3541e">%.0f</text>`+"\n", pictureWidth-right+8, y(share)+4, share*memory)
	}
	fmt.Fprintf(&b, `<path d="M%d %.1fH%d" stroke="#b3541e" stroke-dasharray="4 4"/>`+"\n", left, y(float64(limit>>20)/memory), pictureWidth-right)
	fmt.Fprintf(&b, `<text x="%d" y="%.1f" text-anchor="end" fill="#b3541e">limit %d MiB</text>`+"\n", pictureWidth-right-6, y(float64(limit>>20)/memory)-5, limit>>20)
	curve := func(colour string, share func(point) float64) {
		fmt.Fprintf(&b, `<polyline fill="none" stroke="%s" stroke-width="2" points="`, colour)
		for _, p := range points {
			fmt.Fprintf(&b, "%.1f,%.1f ", x(float64(p.references)), y(share(p)))
		}
		b.WriteString("\"/>\n")
		for _, p := range points {
			fmt.Fprintf(&b, `<circle cx="%.1f" cy="%.1f" r="3.5" fill="%s"/>`+"\n", x(float64(p.references)), y(share(p)), colour)
		}
	}
	curve("#1f5fa8", func(p point) float64 { return p.rate() / ceiling })
	curve("#b3541e", func(p point) float64 { return float64(p.peak) / (1 << 20) / memory })
	for _, p := range points {
		fmt.Fprintf(&b, `<text x="%.1f" y="%d" text-anchor="middle" fill="#444444">%d</text>`+"\n", x(float64(p.references)), pictureHeight-bottom+18, p.references)
	}
	fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="middle" fill="#444444">references in one run</text>`+"\n", pictureWidth/2, pictureHeight-8)
	fmt.Fprintf(&b, `<text x="%d" y="22" fill="#1f5fa8">references a second</text>`+"\n", 12)
	fmt.Fprintf(&b, `<text x="%d" y="22" text-anchor="end" fill="#b3541e">peak memory, MiB</text>`+"\n", pictureWidth-12)
	b.WriteString("</svg>\n")
	return b.Bytes()
}

func (p point) rate() float64 { return float64(p.references) / p.wall.Seconds() }

// steps rounds up so that five lines have round numbers.
func steps(v float64) float64 {
	for _, s := range []float64{50, 100, 150, 200, 250, 300, 400, 500, 750, 1000, 1500, 2000, 2500, 5000} {
		if v <= s {
			return s
		}
	}
	return v
}
