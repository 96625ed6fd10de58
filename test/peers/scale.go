package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/kverify/kverify/internal/world"
)

// perRelease and perImage are the references of a made-up release and of one
// of its images: an index, and a repository for each of four architectures.
const (
	perRelease = 25
	perImage   = 5
)

// limit is what kverify may hold at most, however many references.
const limit = 256 << 20

// point is a run over many references.
type point struct {
	references int
	wall, cpu  time.Duration
	peak       int64
	requests   int64
}

// scale verifies that many references at once, each out of a synthetic registry
// of made-up releases, with digest, signature and reference. The round trip is
// 20 ms; the registry shares the machine with kverify.
func (b *bench) scale(ctx context.Context, counts []int, runs int, picture string) error {
	slices.Sort(counts)
	most := counts[len(counts)-1]
	progress("making %d references", most)
	var err error
	if b.outside, err = startOutside(ctx, b.dir, (most+perRelease-1)/perRelease); err != nil {
		return err
	}
	defer b.stop()
	images := b.indexes()
	all := map[int][]figures{}
	for n := range runs {
		for _, count := range counts {
			f, err := b.run(ctx, b.many(images[:count/perImage]), condition{rtt: 20 * time.Millisecond})
			if err != nil {
				return err
			}
			if want := int64(count); f.Requests < want {
				return fmt.Errorf("%d references and only %d requests: they were not all looked at", want, f.Requests)
			}
			progress("run %d of %d, %d references: %s, %d MiB", n+1, runs, count, seconds(f.wall), f.peak>>20)
			all[count] = append(all[count], f)
		}
	}
	fmt.Print("| references | time | references a second | CPU a reference | requests a reference | peak memory |\n| --- | --- | --- | --- | --- | --- |\n")
	var points []point
	for _, count := range counts {
		f := all[count]
		p := point{
			references: count,
			wall:       middle(f, func(f figures) time.Duration { return f.wall }),
			cpu:        middle(f, func(f figures) time.Duration { return f.cpu }),
			peak:       middle(f, func(f figures) int64 { return f.peak }),
			requests:   middle(f, func(f figures) int64 { return f.Requests }),
		}
		points = append(points, p)
		n := float64(count)
		fmt.Printf("| %d | %s | %.0f | %.2f ms | %.2f | %d MiB |\n", count, seconds(p.wall), n/p.wall.Seconds(), p.cpu.Seconds()*1000/n, float64(p.requests)/n, p.peak>>20)
	}
	if picture != "" {
		if err := os.WriteFile(picture, draw(points), 0o644); err != nil {
			return err
		}
	}
	return judge(points)
}

// privateHost stands in for registry.k8s.io, whose published limit of requests
// kverify keeps to: 2,400 in 30 seconds would be all that there is to see.
const privateHost = world.HostForeign

func (b *bench) many(images []string) way {
	args := []string{
		"verify", "-q", "--checks", only, "--no-cache", "--trusted-root", b.Root,
		"--endpoint", world.HostRegistry + "=https://" + privateHost,
	}
	return way{name: fmt.Sprintf("kverify, %d images", len(images)), program: b.kverify, args: append(args, images...)}
}

// judge fails if memory is above its limit, or a reference costs the more the
// more there are. Processor time tells, which other processes disturb least.
func judge(points []point) error {
	var errs []error
	first := points[0]
	for _, p := range points {
		if p.peak > limit {
			errs = append(errs, fmt.Errorf("%d references: %d MiB, more than %d", p.references, p.peak>>20, int64(limit)>>20))
		}
		each, at := p.cpu/time.Duration(p.references), first.cpu/time.Duration(first.references)
		if each > at*3/2 { // a busy machine makes a fifth of difference by itself
			errs = append(errs, fmt.Errorf("%d references: %s of processor time each, but %s with %d: not linear", p.references, each, at, first.references))
		}
	}
	return errors.Join(errs...)
}
