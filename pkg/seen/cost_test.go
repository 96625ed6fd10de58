package seen_test

import (
	"fmt"
	"io"
	"iter"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/seen"
	"github.com/kverify/kverify/pkg/sight"
)

// cluster streams what kubectl get pods -A -o json prints, of pods of 10 KB each.
type cluster struct {
	images     []string // name and imageID of each distinct image
	pods, next int
	buf        []byte
	heap       uint64 // the most that was held while it was read, in bytes
}

var filler = strings.Repeat(`{"name":"SETTING","value":"the value of a setting"},`, 190)

func (c *cluster) Read(p []byte) (int, error) {
	for len(c.buf) == 0 {
		switch {
		case c.next == 0:
			c.buf = []byte(`{"apiVersion":"v1","kind":"List","items":[{"kind":"Namespace"}`)
		case c.next <= c.pods:
			image := c.images[c.next%len(c.images)]
			name, digest, _ := strings.Cut(image, "@")
			image = name[:strings.LastIndexByte(name, ':')] + "@" + digest // as runtimes write it
			c.buf = fmt.Appendf(nil, `,{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p-%d","namespace":"n"},"spec":{"containers":[{"name":"c","image":%q,"env":[%s{}]}]},"status":{"phase":"Running","containerStatuses":[{"name":"c","image":%q,"imageID":%q}]}}`,
				c.next, name, filler, name, image)
		case c.next == c.pods+1:
			c.buf = []byte(`]}`)
		default:
			return 0, io.EOF
		}
		if c.next++; c.next%500 == 0 {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			c.heap = max(c.heap, m.HeapAlloc)
		}
	}
	n := copy(p, c.buf)
	c.buf = c.buf[n:]
	return n, nil
}

func (c *cluster) input(t testing.TB) seen.Input {
	list := sight.NewList("-", c)
	return seen.Input{Subjects: []string{"-f -"}, Lists: []iter.Seq2[sight.Sighting, error]{list.All(t.Context())}}
}

// fortyImages are the distinct images of a cluster: of two versions, each platform of five images.
func fortyImages(t testing.TB, w *world.World) (images []string) {
	for _, v := range []string{"v1.27.1", version} {
		for _, name := range []string{"kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler", "conformance"} {
			for _, arch := range []string{"amd64", "arm64", "ppc64le", "s390x"} {
				images = append(images, "registry.k8s.io/"+name+":"+v+"@"+digest(t, w, name+"-"+arch+":"+v))
			}
		}
	}
	return images
}

// 10,000 pods of 10 KB with 40 distinct images are read in one pass: they take little
// beside verifying those 40, and no memory that grows with them.
func TestTenThousandPods(t *testing.T) {
	if testing.Short() {
		t.Skip("reads 100 MB")
	}
	w := world.New(world.Options{Versions: []string{"v1.27.1", version}})
	images := fortyImages(t, w)
	var took [2]time.Duration
	for i, pods := range []int{len(images), 10_000} {
		c := &cluster{images: images, pods: pods}
		j := judge(t, w)
		start := time.Now()
		rep := verdict(t, j, c.input(t))
		took[i] = time.Since(start)
		places := 0
		for _, res := range rep.Results {
			places += len(res.Places) + res.MorePlaces
		}
		if rep.Verdict() != report.Verified || places != pods {
			t.Fatalf("%s, %d places of %d pods\n%s", rep.Verdict(), places, pods, tell(rep))
		}
		if c.heap > 256<<20 {
			t.Errorf("%d pods: %d MiB were held", pods, c.heap>>20)
		}
	}
	t.Logf("40 images in %s, and in 10,000 pods in %s", took[0], took[1])
	if took[1] > took[0]+time.Minute { // one second on a machine that has nothing else to do, forty under the race detector on one that has
		t.Errorf("40 images take %s, and 10,000 pods of them %s", took[0], took[1])
	}
}

func BenchmarkPods(b *testing.B) {
	w := world.New(world.Options{Versions: []string{"v1.27.1", version}})
	images := fortyImages(b, w)
	for _, pods := range []int{40, 10_000} {
		b.Run(fmt.Sprint(pods), func(b *testing.B) {
			for b.Loop() {
				verdict(b, judge(b, w), (&cluster{images: images, pods: pods}).input(b))
			}
		})
	}
}
