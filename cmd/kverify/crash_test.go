package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/kverify/kverify/internal/world"
)

// crashing is a command that writes, and what must hold wherever it was ended.
type crashing struct {
	name string
	base func(t *testing.T, c *crashes, work string) // what stands there before; may be nil
	args func(work string) []string
	sure func(work string) []string // must not be refuted after the crash, and be verified in the end; nil asks nothing
	keep func(work string) []string // must be verified all the time; nil asks nothing
}

// crashes runs commands under strace, which ends them at one system call.
type crashes struct {
	*line
	strace, program string
	bases           map[string]string // made once, by name
}

// site is one system call of a run: the nth that is about something.
type site struct {
	call, about string
	nth         int
	creates     bool // an open that makes the file
}

func (s site) String() string { return fmt.Sprintf("%s of %s, the %d.", s.call, s.about, s.nth) }

// fileCalls are all by which a run changes a directory, and those that open what
// is in it.
const fileCalls = "rename,renameat,renameat2,unlink,unlinkat,fsync,fdatasync,mkdirat,ftruncate,linkat,write,openat"

var (
	callLine = regexp.MustCompile(`^\d+\s+(\w+)\((.*)$`)
	callName = regexp.MustCompile(`"([^"]+)"`)
	callFile = regexp.MustCompile(`^\d+<([^>]+)>`)
)

func newCrashes(t *testing.T) *crashes {
	t.Helper()
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("no strace here")
	}
	program, err := exec.LookPath("kverify")
	if err != nil {
		t.Fatal(err)
	}
	c := &crashes{strace: strace, program: program, bases: map[string]string{}}
	w := genuine().Clone()
	world.NewTUF(w.TrustedRootJSON()).Publish(w)
	c.line = newLine(t, w)
	return c
}

// run runs the program, traced if there are options, and returns its exit code.
func (c *crashes) run(t *testing.T, work string, trace []string, args []string) (code int, out []byte) {
	t.Helper()
	name := c.program
	if trace != nil {
		name, args = c.strace, append(append(slices.Clone(trace), c.program), args...)
	}
	cmd := exec.Command(name, args...)
	cmd.Env = append(slices.Clone(c.env), "TMPDIR="+filepath.Join(work, "tmp"), "XDG_CACHE_HOME="+filepath.Join(work, "cache"))
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if bytes.Contains(out, []byte("ptrace")) {
		t.Skip("strace may not trace here")
	}
	return cmd.ProcessState.ExitCode(), out
}

// fresh lays out what stands there before a run.
func (c *crashes) fresh(t *testing.T, op crashing, work string) {
	t.Helper()
	if err := os.RemoveAll(work); err != nil {
		t.Fatal(err)
	}
	base := c.bases[op.name]
	if base == "" {
		base = filepath.Join(t.TempDir(), "base")
		if err := os.MkdirAll(filepath.Join(base, "tmp"), 0o755); err != nil {
			t.Fatal(err)
		}
		if op.base != nil {
			op.base(t, c, base)
		}
		c.bases[op.name] = base
	}
	if err := os.CopyFS(work, os.DirFS(base)); err != nil {
		t.Fatal(err)
	}
}

// sites are the system calls of an undisturbed run, each once.
func (c *crashes) sites(t *testing.T, op crashing, work string) (list []site) {
	t.Helper()
	c.fresh(t, op, work)
	trace := filepath.Join(t.TempDir(), "trace")
	if code, out := c.run(t, work, []string{"-f", "-y", "-s", "300", "-o", trace, "-e", "trace=" + fileCalls}, op.args(work)); code != 0 {
		t.Fatalf("undisturbed: exit code %d\n%s", code, out)
	}
	text, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	times := map[site]int{}
	for _, l := range strings.Split(string(text), "\n") {
		m := callLine.FindStringSubmatch(l)
		if m == nil {
			continue
		}
		s := site{call: m[1]}
		if f := callFile.FindStringSubmatch(m[2]); f != nil && slices.Contains([]string{"write", "fsync", "fdatasync", "ftruncate"}, s.call) {
			if s.about = f[1]; !strings.HasPrefix(s.about, work) {
				continue
			}
		} else if n := callName.FindStringSubmatch(m[2]); n != nil && s.call != "write" {
			s.about = n[1]
			if outside := filepath.IsAbs(s.about) && !strings.HasPrefix(s.about, work); outside && s.call == "openat" {
				continue // a file of the system's
			}
		} else {
			continue
		}
		times[s]++
		s.nth = times[site{call: s.call, about: s.about}]
		s.creates = s.call == "openat" && strings.Contains(m[2], "O_CREAT")
		list = append(list, s)
	}
	return slices.DeleteFunc(list, func(s site) bool {
		all := times[site{call: s.call, about: s.about}]
		if s.call == "openat" && !s.creates { // a directory is opened for each file in it
			return s.nth > 1 && s.nth != (all+1)/2
		}
		return s.call == "write" && s.nth > 1 && s.nth < all // a long file is written in many pieces, all alike
	})
}

// names are all names below a directory, but for the cache, whose contents a run may choose.
func names(t *testing.T, dir string) (list []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		list = append(list, name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// How many endings of each command are tried; the full sweep tries them all.
const slowEndings = 24

// ending is one way in which a run is ended at one system call.
type ending struct {
	at  site
	how string // as strace injects it
}

// endings are all the ways in which a run of these system calls can be ended:
// by SIGKILL and by a disk that is full or fails at what changes a directory, and
// by a process without files to open, or without the right to, at what opens.
func endings(sites []site) (list []ending) {
	for _, s := range sites {
		hows := []string{"signal=KILL", "error=ENOSPC", "error=EIO"}
		switch s.call {
		case "write":
			hows = hows[1:] // killed here it is as before the call that comes next
		case "openat":
			hows = []string{"error=EMFILE", "error=EACCES"}
		case "mkdirat":
			hows = append(hows, "error=EACCES")
		}
		for _, how := range hows {
			list = append(list, ending{s, how})
		}
	}
	return list
}

// spread takes n of a list, at equal distances, the same ones every time.
func spread[T any](list []T, n int) []T {
	if len(list) <= n {
		return list
	}
	out := make([]T, n)
	for i := range out {
		out[i] = list[i*len(list)/n]
	}
	return out
}

// TestCrash ends every command that writes at the system calls by which it
// changes a directory: by SIGKILL, by a full disk, by a disk that fails, by
// files that cannot be opened. What is there is then right, or not known; never refuted. The next run completes it,
// and leaves nothing over. `make slow` tries some endings of every command, and
// `make crash` every one.
func TestCrash(t *testing.T) {
	t.Parallel()
	slow := os.Getenv("KVERIFY_SLOW_TESTS")
	if slow == "" {
		t.Skip("it takes minutes: make slow")
	}
	c := newCrashes(t)
	for _, op := range crashOps() {
		t.Run(op.name, func(t *testing.T) {
			work := filepath.Join(t.TempDir(), "work")
			sites := c.sites(t, op, work)
			if len(sites) == 0 {
				t.Fatal("it writes nothing")
			}
			if code, out := c.run(t, work, nil, op.args(work)); code != 0 {
				t.Fatalf("once more: exit code %d\n%s", code, out)
			}
			want := names(t, work)
			all := endings(sites)
			tried := all
			switch slow {
			case "all":
			case "kill": // at what gives names, takes them away, or puts bytes on the disk
				tried = slices.DeleteFunc(slices.Clone(all), func(e ending) bool {
					return e.how != "signal=KILL" || !strings.HasPrefix(e.at.call, "rename") && !strings.HasPrefix(e.at.call, "unlink") && !strings.HasSuffix(e.at.call, "sync")
				})
			default:
				tried = spread(all, slowEndings)
			}
			hit := 0
			for _, e := range tried {
				if c.end(t, op, work, e.at, e.how, want) {
					hit++
				}
				if t.Failed() {
					break
				}
			}
			t.Logf("%d system calls, %d endings, %d tried, of which %d were met", len(sites), len(all), len(tried), hit)
			if hit*2 < len(tried) { // a call that another thread makes first is not met
				t.Errorf("only %d of %d were met", hit, len(tried))
			}
		})
	}
}

// end ends one run at one place, looks, and lets the next run complete it.
func (c *crashes) end(t *testing.T, op crashing, work string, s site, how string, want []string) (hit bool) {
	t.Helper()
	c.fresh(t, op, work)
	trace := filepath.Join(t.TempDir(), "trace")
	code, out := c.run(t, work, []string{"-f", "-o", trace, "-P", s.about, "-e", "trace=" + s.call,
		"-e", fmt.Sprintf("inject=%s:%s:when=%d", s.call, how, s.nth)}, op.args(work))
	met, _ := os.ReadFile(trace)
	hit = code != 0 || bytes.Contains(met, []byte("(INJECTED)")) // a cache that cannot be written fails nobody
	where := fmt.Sprintf("%s at %s (exit code %d)\n%s", how, s, code, out)
	if code == 1 {
		t.Errorf("%s: it says that something is refuted", where)
	}
	if op.sure != nil {
		if code, out := c.run(t, work, nil, op.sure(work)); code != 0 && code != 3 && (code != 2 || op.base != nil) { // 2: there is no mirror yet
			t.Errorf("%s: then %v: exit code %d\n%s", where, op.sure(work), code, out)
		}
	}
	if op.keep != nil {
		if code, out := c.run(t, work, nil, op.keep(work)); code != 0 {
			t.Errorf("%s: then %v: exit code %d\n%s", where, op.keep(work), code, out)
		}
	}
	if code, out := c.run(t, work, nil, op.args(work)); code != 0 {
		t.Errorf("%s: the next run: exit code %d\n%s", where, code, out)
	}
	if op.sure != nil {
		if code, out := c.run(t, work, nil, op.sure(work)); code != 0 {
			t.Errorf("%s: in the end %v: exit code %d\n%s", where, op.sure(work), code, out)
		}
	}
	if got := names(t, work); !slices.Equal(got, want) {
		var more, fewer []string
		for _, n := range got {
			if !slices.Contains(want, n) {
				more = append(more, n)
			}
		}
		for _, n := range want {
			if !slices.Contains(got, n) {
				fewer = append(fewer, n)
			}
		}
		t.Errorf("%s: left over %q, missing %q", where, more, fewer)
	}
	return hit
}

// crashOps are the commands that write.
func crashOps() []crashing {
	in := func(name string) func(string) string {
		return func(work string) string { return filepath.Join(work, name) }
	}
	m := in("m")
	create := func(work string, versions ...string) []string {
		return append(append([]string{"mirror", "create"}, versions...), "kube-proxy", "kubectl", "--os", "linux", "--arch", "amd64", "-d", m(work), "-q", "--no-cache")
	}
	both := func(versions ...string) func(t *testing.T, c *crashes, work string) {
		return func(t *testing.T, c *crashes, work string) {
			if code, out := c.run(t, work, nil, create(work, versions...)); code != 0 {
				t.Fatalf("%d\n%s", code, out)
			}
		}
	}
	verify := func(work string) []string { return []string{"verify", m(work), "-q"} }
	images := func(version string) func(work string) []string {
		return func(work string) []string {
			return []string{"images", version, "kube-proxy", "--arch", "amd64", "--mirror", m(work), "-q", "--no-cache"}
		}
	}
	return []crashing{{
		name: "prune", base: both("v1.27.1", "v1.27.2"),
		args: func(work string) []string { return []string{"mirror", "prune", m(work), "--keep", "v1.27.2"} },
		sure: verify, keep: images("v1.27.2"),
	}, {
		name: "create", base: both("v1.27.1"),
		args: func(work string) []string { return create(work, "v1.27.2") },
		sure: verify, keep: images("v1.27.1"),
	}, {
		name: "first create",
		args: func(work string) []string { return create(work, "v1.27.2") },
		sure: func(work string) []string {
			if _, err := os.Stat(filepath.Join(m(work), "files")); err != nil {
				return []string{"version"}
			}
			return verify(work)
		},
	}, {
		name: "refresh", base: both("v1.27.2"),
		args: func(work string) []string { return append(create(work, "v1.27.2"), "--refresh") },
		sure: verify, keep: images("v1.27.2"),
	}, {
		name: "archive and report", base: both("v1.27.2"),
		args: func(work string) []string {
			return append(create(work, "v1.27.2"), "--archive", filepath.Join(work, "m.tar"), "-o", "json="+filepath.Join(work, "r.json"))
		},
		sure: func(work string) []string {
			if _, err := os.Stat(filepath.Join(work, "m.tar")); err != nil {
				return verify(work)
			}
			return []string{"verify", filepath.Join(work, "m.tar"), "-q"}
		},
	}, {
		name: "download",
		args: func(work string) []string {
			return []string{"download", "v1.27.2", "kubectl", "--os", "linux", "--arch", "amd64", "-d", filepath.Join(work, "d"), "-q", "--no-cache"}
		},
	}, {
		name: "cache",
		args: func(work string) []string {
			return []string{"images", "v1.27.2", "kube-proxy", "--arch", "amd64", "-q", "--cache", filepath.Join(work, "cache")}
		},
	}, {
		name: "watch",
		args: func(work string) []string {
			return []string{"watch", "registry.k8s.io/kube-proxy:v1.27.2", "--once", "--state", filepath.Join(work, "s"), "-q", "--no-cache"}
		},
	}, {
		name: "watch on", // from a state that is there, which stays readable
		base: func(t *testing.T, c *crashes, work string) {
			if code, out := c.run(t, work, nil, []string{"watch", "registry.k8s.io/kube-proxy:v1.27.1", "--once", "--state", filepath.Join(work, "s"), "-q", "--no-cache"}); code != 0 {
				t.Fatalf("%d\n%s", code, out)
			}
		},
		args: func(work string) []string {
			return []string{"watch", "registry.k8s.io/kube-proxy:v1.27.2", "--once", "--state", filepath.Join(work, "s"), "-q", "--no-cache"}
		},
	}, {
		name: "pinned root",
		base: func(t *testing.T, _ *crashes, work string) {
			if err := os.WriteFile(filepath.Join(work, "tuf.json"), world.NewTUF(nil).RootJSON(1), 0o644); err != nil {
				t.Fatal(err)
			}
		},
		args: func(work string) []string {
			return []string{"trust", "update", filepath.Join(work, "pinned.json"), "--tuf-root", filepath.Join(work, "tuf.json"), "--accept-removal"}
		},
	}}
}
