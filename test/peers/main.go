package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// cosignVersion is the peer.
const cosignVersion = "v2.6.5"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code := 0
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		code = 1
	}
	stop()
	os.Exit(code)
}

func run(ctx context.Context) error {
	if n, ok := os.LookupEnv(asOutside); ok {
		releases, err := strconv.Atoi(n)
		if err != nil {
			return err
		}
		return beOutside(ctx, releases)
	}
	var (
		runs    = flag.Int("runs", 5, "measure each way `N` times, in turns")
		rtts    = flag.String("rtt", "0,20,50,100", "round trips in `MILLISECONDS`")
		scale   = flag.String("scale", "", "instead: that many `REFERENCES` at once, such as 1000,10000")
		picture = flag.String("picture", "", "with -scale: write the picture to this `FILE`")
		bin     = flag.String("bin", "../../bin", "`DIRECTORY` with kverify, and for the peers")
		cosign  = flag.String("cosign", "", "take this `PROGRAM` as cosign "+cosignVersion)
		trace   = flag.String("trace", "", "only write a line a request of one run to stderr: `WHAT` is kverify, full or cosign")
	)
	flag.Parse()
	dir, err := os.MkdirTemp("", "kverify-peers")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := &bench{dir: dir}
	if b.kverify, err = filepath.Abs(filepath.Join(*bin, "kverify")); err != nil {
		return err
	}
	start := time.Now()
	defer func() { progress("all of it took %s", time.Since(start).Round(time.Second)) }()
	if *scale != "" {
		counts, err := numbers(*scale)
		if err != nil {
			return err
		}
		return b.scale(ctx, counts, *runs, *picture)
	}
	delays, err := numbers(*rtts)
	if err != nil {
		return err
	}
	if b.cosign, err = install(ctx, *cosign, *bin); err != nil {
		return err
	}
	progress("filling a registry with %s", version)
	if b.outside, err = startOutside(ctx, dir, 0); err != nil {
		return err
	}
	defer b.stop()
	if *trace != "" {
		return b.traced(ctx, *trace, delays[0])
	}
	return b.compare(ctx, *runs, delays)
}

// install finds cosign, or builds it at its pinned version, outside of every
// module of kverify's.
func install(ctx context.Context, given, bin string) (string, error) {
	if given != "" {
		return filepath.Abs(given)
	}
	dir, err := filepath.Abs(filepath.Join(bin, "cosign-"+cosignVersion))
	if err != nil {
		return "", err
	}
	program := filepath.Join(dir, "cosign")
	if _, err := os.Stat(program); err == nil {
		return program, nil
	}
	progress("building cosign %s", cosignVersion)
	cmd := exec.CommandContext(ctx, "go", "install", "github.com/sigstore/cosign/v2/cmd/cosign@"+cosignVersion)
	cmd.Dir = os.TempDir()
	cmd.Env = append(os.Environ(), "GOBIN="+dir, "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("cosign %s does not build: %w\n%s", cosignVersion, err, out)
	}
	return program, nil
}

// compare measures every way under every condition, in turns, and prints the
// tables.
func (b *bench) compare(ctx context.Context, runs int, delays []int) error {
	ways := append(b.ways(), b.full())
	for _, w := range ways {
		for _, redirects := range []bool{false, true} {
			progress("warm-up: %s", w.name)
			if _, err := b.run(ctx, w, condition{redirects: redirects}); err != nil {
				return err
			}
		}
	}
	all := results{}
	for n := range runs {
		for _, ms := range delays {
			for _, redirects := range []bool{false, true} {
				c := condition{rtt: time.Duration(ms) * time.Millisecond, redirects: redirects}
				for _, w := range ways {
					f, err := b.run(ctx, w, c)
					if err != nil {
						return err
					}
					progress("run %d of %d, %s: %s, %s", n+1, runs, c, w.name, seconds(f.wall))
					all[w.name] = append(all[w.name], measured{c, f})
				}
			}
		}
	}
	fmt.Printf("%d references, cosign %s, %s, %d CPUs, %s/%s. Medians of %d interleaved runs.\n\n",
		len(b.References), cosignVersion, runtime.Version(), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runs)
	all.peers(os.Stdout, ways[:len(ways)-1], delays, len(b.References))
	all.whole(os.Stdout, b.full(), delays, len(b.References))
	return nil
}

// traced shows one run by its requests, in the order in which they arrive.
func (b *bench) traced(ctx context.Context, what string, ms int) error {
	ways := b.ways()
	w := map[string]way{"kverify": ways[0], "cosign": ways[3], "full": b.full()}[what]
	if w.program == "" {
		return fmt.Errorf("-trace %s: write kverify, full or cosign", what)
	}
	for _, redirects := range []bool{false, true} {
		f, err := b.run(ctx, w, condition{rtt: time.Duration(ms) * time.Millisecond, redirects: redirects, trace: true})
		if err != nil {
			return err
		}
		progress("%s, redirects %v: %s, CPU %s, %d requests, %d connections", w.name, redirects, seconds(f.wall), seconds(f.cpu), f.Requests, f.Connections)
	}
	return nil
}

func numbers(list string) (out []int, err error) {
	for word := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(word))
		if err != nil || n < 0 {
			return nil, fmt.Errorf("%q is no number", word)
		}
		out = append(out, n)
	}
	return out, nil
}

// progress is for whoever waits; the answer goes to stdout.
func progress(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
