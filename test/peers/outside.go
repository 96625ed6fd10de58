package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/kverify/kverify/internal/world"
)

// version is the release that is verified.
const version = "v1.27.2"

// outside is the world as the measuring process sees it.
type outside struct {
	Proxy, Control string   // URLs
	Root, CA       string   // files
	References     []string // of the release, or all indexes of many
	Err            string

	stop func()
}

// startOutside starts this program anew as the world outside, with one release
// or with the images of many. It ends with stop, and with this process.
func startOutside(ctx context.Context, dir string, releases int) (*outside, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", asOutside, releases))
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	hold, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	o := &outside{stop: func() {
		_ = hold.Close()
		_ = cmd.Wait()
	}}
	if err := json.NewDecoder(out).Decode(o); err != nil {
		o.Err = err.Error()
	}
	if o.Err != "" {
		o.stop()
		return nil, errors.New("the world outside did not start: " + o.Err)
	}
	return o, nil
}

// asOutside in the environment makes this program the world outside.
const asOutside = "KVERIFY_PEERS_RELEASES"

// beOutside is the child's side of startOutside: it serves until its standard
// input ends.
func beOutside(ctx context.Context, releases int) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	o, err := open(ctx, releases)
	if err != nil {
		o = &outside{Err: err.Error()}
	}
	if e := json.NewEncoder(os.Stdout).Encode(o); e != nil || err != nil {
		return errors.Join(err, e)
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

func open(ctx context.Context, releases int) (*outside, error) {
	dir, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	o := &outside{Root: filepath.Join(dir, "root.json"), CA: filepath.Join(dir, "ca.pem")}
	f := &front{}
	versions := []string{version}
	if releases == 0 {
		f.world, f.registry = world.New(world.Options{Versions: versions}), newRegistry(ctx, filepath.Join(dir, "registry"))
		if err := f.fill(version); err != nil {
			return nil, err
		}
	} else {
		versions = madeUp(releases)
		f.world = world.New(world.Options{Versions: versions, ImagesOnly: true})
	}
	for _, v := range versions {
		for _, repo := range repositories(f.world, v) {
			o.References = append(o.References, world.HostRegistry+"/"+repo+":"+v)
		}
	}
	for path, text := range map[string][]byte{o.Root: f.world.TrustedRootJSON(), o.CA: world.CAPEM()} {
		if err := os.WriteFile(path, text, 0o644); err != nil {
			return nil, err
		}
	}
	addr, err := f.serve(ctx)
	if err != nil {
		return nil, err
	}
	l, err := startLine(ctx, addr)
	if err != nil {
		return nil, err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &http.Server{Handler: f.control(l), ReadHeaderTimeout: time.Minute}
	go func() { _ = s.Serve(listener) }()
	o.Proxy, o.Control = l.url(), "http://"+listener.Addr().String()
	return o, nil
}

// madeUp are as many versions as are asked for, of minors with five images on
// four architectures: 25 references each. No such patches were released.
func madeUp(n int) (versions []string) {
	for i := range n {
		versions = append(versions, fmt.Sprintf("v1.27.%d", i))
	}
	return versions
}

// indexes are the references that are no single architecture's.
func (o *outside) indexes() []string {
	return slices.DeleteFunc(slices.Clone(o.References), func(ref string) bool {
		name, _, _ := strings.Cut(ref, ":")
		return slices.ContainsFunc([]string{"amd64", "arm64", "ppc64le", "s390x"}, func(arch string) bool { return strings.HasSuffix(name, "-"+arch) })
	})
}

// condition is under what a run is measured.
type condition struct {
	rtt       time.Duration
	redirects bool
	trace     bool // the world writes a line a request to stderr
}

// begin sets the condition, and counts from zero.
func (o *outside) begin(ctx context.Context, c condition) error {
	q := url.Values{"rtt": {c.rtt.String()}, "redirects": {fmt.Sprint(c.redirects)}, "trace": {fmt.Sprint(c.trace)}}
	_, err := o.ask(ctx, "/begin?"+q.Encode())
	return err
}

func (o *outside) counts(ctx context.Context) (c counts, err error) {
	b, err := o.ask(ctx, "/counts")
	if err == nil {
		err = json.Unmarshal(b, &c)
	}
	return c, err
}

func (o *outside) ask(ctx context.Context, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, o.Control+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return io.ReadAll(resp.Body)
}
