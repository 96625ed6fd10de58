package interop

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/oci"
	kregistry "github.com/kverify/kverify/pkg/registry"
)

// atOnce is how many processes of a tool that copies one repository a time run
// side by side, by xargs -P.
const atOnce = "4"

// TestBenchMirror holds kverify's mirrors against what people use instead, in
// one run, in turns, on the same content: one release of 25 repositories, from
// a registry outside to an empty one inside, each behind a counter. It prints a
// table, medians of KVERIFY_BENCH rounds: make bench-mirror.
func TestBenchMirror(t *testing.T) {
	rounds, err := strconv.Atoi(os.Getenv("KVERIFY_BENCH"))
	if err != nil || rounds < 1 {
		t.Skip("it takes minutes: make bench-mirror")
	}
	layer := 4 << 20
	if n, err := strconv.Atoi(os.Getenv("BENCH_BYTES")); err == nil && n > 0 {
		layer = n
	}
	skopeo, crane, oras, regctl := tool(t, "skopeo"), tool(t, "crane"), tool(t, "oras"), tool(t, "regctl")
	bin, err := program()
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t, layer)

	// Each line of a list is one run of a tool's command.
	repos := repositories(b.w)
	lines := func(dir string, f func(repo string) string) string {
		file := filepath.Join(dir, "list")
		var text strings.Builder
		for _, r := range repos {
			fmt.Fprintln(&text, f(r))
		}
		write(t, file, text.String())
		return file
	}
	xargs := func(list, command string) *exec.Cmd {
		return exec.Command("sh", "-c", "xargs -P "+atOnce+" -L 1 "+command+" <"+list)
	}
	push := func(from, to string) *exec.Cmd {
		return exec.Command(bin, "mirror", "push", from, to, "--trusted-root", b.root, "-q")
	}
	type contender struct {
		what string
		run  func(dir, inside string) []*exec.Cmd
	}
	contenders := []contender{
		{"`kverify mirror push`, from its mirror", func(_, inside string) []*exec.Cmd {
			return []*exec.Cmd{push(b.mirror, inside)}
		}},
		{"`oras cp -r`, from the mirror's `oci/`", func(dir, inside string) []*exec.Cmd {
			return []*exec.Cmd{xargs(lines(dir, func(r string) string {
				return outside + "/" + r + ":" + version + " " + inside + "/" + r + ":" + version
			}), oras+" cp -r --from-oci-layout-path "+filepath.Join(b.mirror, "oci")+" --to-plain-http")}
		}},
		{"`kverify mirror create` and `push`", func(dir, inside string) []*exec.Cmd {
			m := filepath.Join(dir, "m")
			create := exec.Command(bin, "mirror", "create", version, "images", "--all", "-d", m, "-q", "--endpoint", outside+"=http://"+b.out.addr)
			create.Env = b.env
			return []*exec.Cmd{create, push(m, inside)}
		}},
		{"`skopeo sync --all`", func(dir, inside string) []*exec.Cmd {
			return []*exec.Cmd{xargs(lines(dir, func(r string) string { return b.out.addr + "/" + r + " " + inside }),
				skopeo+" --insecure-policy sync --all --src-tls-verify=false --dest-tls-verify=false --src docker --dest docker")}
		}},
		{"`crane copy -a`", func(dir, inside string) []*exec.Cmd {
			return []*exec.Cmd{xargs(lines(dir, func(r string) string { return b.out.addr + "/" + r + " " + inside + "/" + r }), crane+" copy -a")}
		}},
		{"`oras cp -r`, by tag", func(dir, inside string) []*exec.Cmd {
			return []*exec.Cmd{xargs(lines(dir, func(r string) string {
				return b.out.addr + "/" + r + ":" + version + " " + inside + "/" + r + ":" + version
			}), oras+" cp -r --from-plain-http --to-plain-http")}
		}},
		{"`regctl image copy`, by tag", func(dir, inside string) []*exec.Cmd {
			return []*exec.Cmd{xargs(lines(dir, func(r string) string {
				return b.out.addr + "/" + r + ":" + version + " " + inside + "/" + r + ":" + version
			}), regctl+" --host reg="+b.out.addr+",tls=disabled --host reg="+inside+",tls=disabled image copy --digest-tags --referrers")}
		}},
	}
	type sample struct {
		seconds     float64
		read, wrote figures
	}
	first, second, kept := make([][]sample, len(contenders)), make([][]sample, len(contenders)), make([]string, len(contenders))
	for range rounds {
		for i, c := range contenders {
			r := startDistribution(t)
			in := newMeter(t, r)
			dir := t.TempDir()
			for again := range 2 {
				b.out.read()
				in.read()
				begun := time.Now()
				ok := true
				for _, cmd := range c.run(dir, in.addr) {
					if cmd.Env == nil {
						cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}
					}
					var said bytes.Buffer
					cmd.Stdout, cmd.Stderr = &said, &said
					if err := cmd.Run(); err != nil {
						ok = false
						t.Logf("%s: %v\n%.2000s", c.what, err, said.String())
					}
				}
				s := sample{time.Since(begun).Seconds(), b.out.read(), in.read()}
				if again == 0 {
					first[i] = append(first[i], s)
					kept[i] = b.kept(r, ok)
				} else {
					second[i] = append(second[i], s)
				}
			}
		}
	}
	median := func(list []sample, f func(sample) float64) float64 {
		var v []float64
		for _, s := range list {
			v = append(v, f(s))
		}
		slices.Sort(v)
		return v[len(v)/2]
	}
	var out strings.Builder
	row := func(cells ...string) { fmt.Fprintf(&out, "| %s |\n", strings.Join(cells, " | ")) }
	row("what", "wall time", "bytes out", "bytes in", "requests out", "requests in", "tags, signatures, referrers", "again: wall time", "bytes sent", "requests")
	row("---", "---", "---", "---", "---", "---", "---", "---", "---", "---")
	for i, c := range contenders {
		row(c.what,
			fmt.Sprintf("%.1f s", median(first[i], func(s sample) float64 { return s.seconds })),
			fmt.Sprintf("%.1f MB", median(first[i], func(s sample) float64 { return float64(s.read.down) / 1e6 })),
			fmt.Sprintf("%.1f MB", median(first[i], func(s sample) float64 { return float64(s.wrote.up) / 1e6 })),
			fmt.Sprintf("%.0f", median(first[i], func(s sample) float64 { return float64(s.read.requests) })),
			fmt.Sprintf("%.0f", median(first[i], func(s sample) float64 { return float64(s.wrote.requests) })),
			kept[i],
			fmt.Sprintf("%.1f s", median(second[i], func(s sample) float64 { return s.seconds })),
			fmt.Sprintf("%.1f kB", median(second[i], func(s sample) float64 { return float64(s.wrote.up) / 1e3 })),
			fmt.Sprintf("%.0f + %.0f", median(second[i], func(s sample) float64 { return float64(s.read.requests) }), median(second[i], func(s sample) float64 { return float64(s.wrote.requests) })))
	}
	load, _ := os.ReadFile("/proc/loadavg")
	fmt.Printf("%d repositories, %d bytes added to each image, medians of %d; load at the end %s\n%s", len(repos), layer, rounds, cmp.Or(strings.TrimSpace(string(load)), "unknown"), out.String())
}

// bench is the world outside: a registry of another make with a whole release,
// its documents, and a mirror of it.
type bench struct {
	w            *world.World
	out          *meter
	mirror, root string
	env          []string          // in which kverify finds the documents
	referrers    map[string]string // digest of each, by the repository
}

func newBench(t *testing.T, layer int) *bench {
	t.Helper()
	b := &bench{w: world.New(world.Options{Versions: []string{version}, LayerBytes: layer}), referrers: map[string]string{}}
	plain, root := wholeMirror(t, b.w, world.MirrorOptions{})
	b.root = root
	r := startDistribution(t)
	if code, stdout, stderr := kverify(t, "mirror", "push", plain, r.addr, "--trusted-root", root, "-q"); code != 0 {
		t.Fatalf("%d\n%s%s", code, stdout, stderr)
	}
	// A promotion record for each index, as today's releases have them.
	c := &kregistry.Client{Fetch: &fetch.Client{Transport: fetch.NewTransport(fetch.Options{})}, Endpoints: map[string]string{outside: r.url()}}
	names, tags := b.w.Images(version)
	for i, image := range names {
		if tags[i] != version {
			continue
		}
		ref := outside + "/" + image + ":" + version
		subject := kregistry.Ref{Host: outside, Repository: image, Digest: oci.Digest(b.w.Digest(ref))}
		statement := world.Statement(world.PredicatePromotion, world.PromotionRecord(ref, string(subject.Digest)), outside+"/"+image, string(subject.Digest))
		bundle := b.w.Sigstore().Attest(statement, world.Signing{Identity: world.KrelTrust}).Bundle("0.3")
		digest := b.w.PutReferrer(ref, world.PredicatePromotion, bundle)
		m, ok := b.w.Manifest(outside + "/" + image + "@" + digest)
		if !ok {
			t.Fatal(digest)
		}
		for _, blob := range [][]byte{bundle, []byte("{}")} {
			if _, err := c.PutBlob(t.Context(), subject, kregistry.Blob{Digest: oci.DigestOf(blob), Size: int64(len(blob)), Open: opener(blob)}, "", 1); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := c.PutManifest(t.Context(), kregistry.Ref{Host: outside, Repository: image, Digest: oci.Digest(digest)}, m.MediaType, m.Body); err != nil {
			t.Fatal(err)
		}
		if err := c.AddReferrerTag(t.Context(), subject, m.MediaType, m.Body); err != nil {
			t.Fatal(err)
		}
		b.referrers[image] = digest
	}
	b.out = newMeter(t, r)
	server, err := b.w.Serve()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	proxy, stop, err := server.Proxy()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	dir := t.TempDir()
	ca := filepath.Join(dir, "ca.pem")
	write(t, ca, string(world.CAPEM()))
	b.env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "HTTPS_PROXY=" + proxy.String(), "NO_PROXY=127.0.0.1",
		"SSL_CERT_FILE=" + ca, "SSL_CERT_DIR=" + dir, "KVERIFY_TRUSTED_ROOT=" + root}
	b.mirror = filepath.Join(dir, "m")
	bin, _ := program()
	create := exec.Command(bin, "mirror", "create", version, "images", "--all", "-d", b.mirror, "-q", "--endpoint", outside+"="+r.url())
	create.Env = b.env
	if out, err := create.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return b
}

// kept counts what of a release is in a registry with the digests that it had.
func (b *bench) kept(r registry, ok bool) string {
	var tags, signatures, referrers, all, allSigned int
	for _, repo := range repositories(b.w) {
		for _, tag := range b.w.Tags(repo) {
			signed := strings.HasSuffix(tag, ".sig")
			if signed {
				allSigned++
			} else {
				all++
			}
			ref, err := name.ParseReference(r.addr+"/"+repo+":"+tag, name.Insecure)
			if err != nil {
				continue
			}
			got, err := remote.Get(ref)
			switch {
			case err != nil || got.Digest.String() != b.w.Digest(outside+"/"+repo+":"+tag):
			case signed:
				signatures++
			default:
				tags++
			}
		}
		if digest := b.referrers[repo]; digest != "" {
			subject, err := name.NewDigest(r.addr+"/"+repo+"@"+b.w.Digest(outside+"/"+repo+":"+version), name.Insecure)
			if err != nil {
				continue
			}
			if index, err := remote.Referrers(subject); err == nil {
				if list, err := index.IndexManifest(); err == nil && slices.ContainsFunc(list.Manifests, func(d v1.Descriptor) bool { return d.Digest.String() == digest }) {
					referrers++
				}
			}
		}
	}
	s := fmt.Sprintf("%d/%d, %d/%d, %d/%d", tags, all, signatures, allSigned, referrers, len(b.referrers))
	if !ok {
		s += " (with errors)"
	}
	return s
}

func opener(b []byte) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }
}
