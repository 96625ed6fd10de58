//go:build unix

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/creack/pty"

	"github.com/kverify/kverify/internal/world"
)

// screen is a terminal of so many columns, as far as a line of progress needs one: it
// follows carriage return, line feed, erasure of lines (EL, ECMA-48 8.3.41), and a cursor
// that waits behind the last column until the next character wraps it, as a VT100's does.
type screen struct {
	columns int
	lines   []string
	frames  []string // each line of progress, as it stood when it was complete
	faults  []string
	col     int
	row     []rune
	wrapped bool // this line, since its last carriage return
	escape  string
}

func (s *screen) feed(text string) {
	for _, r := range text {
		switch {
		case s.escape != "":
			if s.escape += string(r); r == '[' || r >= '0' && r <= '?' {
				continue
			}
			s.control(s.escape)
			s.escape = ""
		case r == '\x1b':
			s.escape = "\x1b"
		case r == '\r':
			s.col, s.wrapped = 0, false
		case r == '\n':
			s.lines, s.row = append(s.lines, string(s.row)), nil
			s.wrapped = false
		default:
			s.print(r)
		}
	}
}

func (s *screen) print(r rune) {
	if s.col == s.columns {
		s.lines, s.row, s.col, s.wrapped = append(s.lines, string(s.row)), nil, 0, true
	}
	for len(s.row) <= s.col {
		s.row = append(s.row, ' ')
	}
	s.row[s.col] = r
	s.col++
}

func (s *screen) control(seq string) {
	switch seq {
	case "\x1b[0K", "\x1b[K": // the end of a line of progress
		if s.col == s.columns || s.wrapped {
			s.faults = append(s.faults, fmt.Sprintf("a line of progress does not fit into %d columns: %q", s.columns, string(s.row)))
		}
		s.row = s.row[:min(s.col, len(s.row))]
		s.frames = append(s.frames, strings.TrimRight(string(s.row), " "))
	case "\x1b[2K": // one phase is over
		s.row = nil
		s.frames = append(s.frames, "")
	default:
		s.faults = append(s.faults, fmt.Sprintf("an escape sequence that was not expected: %q", seq))
	}
}

var (
	percentOf = regexp.MustCompile(`([0-9]+)%`)
	filesOf   = regexp.MustCompile(`([0-9]+) of ([0-9]+) files`)
	bytesOf   = regexp.MustCompile(`([0-9.]+)(?: ([kMG]B))?(?: of ([0-9.]+) ([kMG]B))?(?:,|  )`)
	nonsense  = regexp.MustCompile(`NaN|Inf|[TPE]B|-[0-9]|[0-9]{4,}|sha256`)
)

// neverBack says where a number of one phase is smaller than it was before.
func (s *screen) neverBack(t *testing.T) {
	t.Helper()
	last := map[string]float64{}
	for _, f := range s.frames {
		if f == "" {
			last = map[string]float64{}
			continue
		}
		if nonsense.MatchString(strings.TrimRight(f, "-#")) {
			t.Errorf("what nobody can read: %q", f)
		}
		now := map[string]float64{}
		if m := percentOf.FindStringSubmatch(f); m != nil {
			now["percent"], _ = strconv.ParseFloat(m[1], 64)
		}
		if m := filesOf.FindStringSubmatch(f); m != nil {
			now["files"], _ = strconv.ParseFloat(m[1], 64)
			now["all files"], _ = strconv.ParseFloat(m[2], 64)
			f = f[strings.Index(f, "files")+len("files"):]
		}
		if m := bytesOf.FindStringSubmatch(f); len(m) > 4 && m[2]+m[4] != "" && !strings.Contains(m[0], "/s") {
			unit := map[string]float64{"kB": 1e3, "MB": 1e6, "GB": 1e9}
			done, _ := strconv.ParseFloat(m[1], 64)
			total, _ := strconv.ParseFloat(m[3], 64)
			now["bytes"] = done * unit[m[2]+m[4]]
			if m[4] != "" {
				now["bytes"], now["all bytes"] = done*unit[m[4]], total*unit[m[4]]
			}
		}
		for what, n := range now {
			// Half a unit of the last place: a total that appears changes the unit.
			if was, ok := last[what]; ok && n < was && !(what == "bytes" && was-n < 0.06*max(1e3, was)) {
				t.Errorf("%s run backwards, from %v to %v: %q", what, was, n, f)
			}
			last[what] = n
		}
	}
}

// onTerminal runs the program with a terminal as stdin and stderr, and gives what it shows.
// after, if any, is called after each piece of it.
func (l *line) onTerminal(t *testing.T, columns int, after func(tty *os.File, s *screen), args ...string) *screen {
	t.Helper()
	cmd := l.program(args...)
	cmd.Env = append(cmd.Env, "TERM=xterm", "LC_ALL=C.UTF-8", "XDG_CACHE_HOME="+t.TempDir())
	var out bytes.Buffer
	cmd.Stdout = &out
	tty, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 24, Cols: uint16(columns)})
	if err != nil {
		t.Skip("there is no pseudo-terminal: ", err)
	}
	defer tty.Close()
	s := &screen{columns: columns}
	buf := make([]byte, 64<<10)
	rest := ""
	for {
		n, err := tty.Read(buf)
		text := rest + string(buf[:n])
		cut := len(text) // whole characters only
		for cut > 0 && cut > len(text)-4 && !strings.HasSuffix(strings.ToValidUTF8(text[:cut], ""), text[:cut]) {
			cut--
		}
		s.feed(text[:cut])
		if after != nil {
			after(tty, s)
		}
		if rest = text[cut:]; err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, syscall.EIO) { // Linux says EIO once the program has gone
				t.Fatal(err)
			}
			break
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v: %s\n%s", err, out.String(), strings.Join(s.lines, "\n"))
	}
	return s
}

// Progress fits into every terminal, says only what is so, and nothing of it runs
// backwards or stays behind.
func TestProgressFits(t *testing.T) {
	const size, slow = 300 << 10, 200 << 10
	genuine, w := genuine(), genuine().Clone() // whose files are small, and whose are large
	for i, path := range []string{"bin/linux/amd64/kubectl", "bin/linux/amd64/kubelet", "bin/linux/amd64/kubeadm"} {
		bigFile(w, "v1.27.2", path, size, uint64(i))
	}
	runs := map[string]struct {
		w    *world.World
		rate int64
		args []string
		says string // at 120 columns
	}{
		"download": {w, slow, []string{"download", "v1.27.2", "kubectl", "kubelet", "kubeadm", "--os", "linux", "--arch", "amd64", "-d", "DIR"},
			`^[0-2] of 3 files, [0-9.]+ of [0-9.]+ kB, [0-9.]+ kB/s, [0-9]+ s left, kube(ctl|let|adm) +[0-9]+% █*░+$`},
		"mirror": {genuine, slow / 3, []string{"mirror", "create", "v1.27.2", "--os", "linux", "--arch", "amd64", "-d", "DIR"},
			`^[0-9]+ of [0-9]+ files, [0-9.]+ of [0-9.]+ [kM]B, [0-9.]+ [kM]B/s, [0-9]+ s left, [a-z][-a-z./0-9]+ +[0-9]+% █*░+$`},
		"images": {genuine, slow / 2, []string{"images", "v1.27.2"},
			`^v1.27.2, [0-9]+ of [0-9]+ examined, [0-9]+ s +[0-9]+% █*░+$`},
	}
	for name, run := range runs {
		for _, columns := range []int{40, 80, 120, 200} {
			t.Run(fmt.Sprint(name, "/", columns), func(t *testing.T) {
				t.Parallel()
				l := newLine(t, run.w)
				l.rate.Store(run.rate)
				args := append([]string{}, run.args...)
				for i := range args {
					if args[i] == "DIR" {
						args[i] = t.TempDir()
					}
				}
				s := l.onTerminal(t, columns, nil, args...)
				for _, f := range s.faults {
					t.Error(f)
				}
				s.neverBack(t)
				drawn, said := 0, false
				for _, f := range s.frames {
					if f != "" {
						drawn++
					}
					said = said || regexp.MustCompile(run.says).MatchString(f)
				}
				if drawn < 5 {
					t.Errorf("%d lines of progress in all; it was not watched: %q", drawn, s.frames)
				}
				if columns >= 120 && !said {
					t.Errorf("it never says %s: %q", run.says, s.frames)
				}
				for _, l := range append(s.lines, string(s.row)) {
					if percentOf.MatchString(l) {
						t.Errorf("progress stays behind: %q", l)
					}
				}
			})
		}
	}
}

// A terminal that becomes narrower is followed, and a server that throttles is named.
func TestProgressFollows(t *testing.T) {
	w := genuine().Clone()
	bigFile(w, "v1.27.2", "bin/linux/amd64/kubectl", 600<<10, 1)
	w.Status(world.SBOMURL("v1.27.2"), http.StatusTooManyRequests).Times(2)
	l := newLine(t, w)
	l.rate.Store(200 << 10)
	const before, after = 120, 50
	resized := false
	s := l.onTerminal(t, before, func(tty *os.File, s *screen) {
		if n := len(s.frames); n > 0 && strings.Contains(s.frames[n-1], "kubectl") && !resized {
			resized = true
			_ = pty.Setsize(tty, &pty.Winsize{Rows: 24, Cols: after})
		}
	}, "download", "v1.27.2", "kubectl", "--os", "linux", "--arch", "amd64", "-d", t.TempDir())
	wide, narrow, named := 0, 0, false
	for _, f := range s.frames {
		named = named || strings.Contains(f, "sbom.k8s.io asks to wait (429), trying again in 1 s")
		switch n := len([]rune(f)); {
		case n >= before:
			t.Errorf("a line of %d columns: %q", n, f)
		case n >= after:
			if wide++; narrow > 0 {
				t.Errorf("a line of %d columns after the terminal had %d: %q", n, after, f)
			}
		case n > 30 && wide > 0:
			narrow++
		}
	}
	if !named {
		t.Errorf("nobody says who asks to wait: %q", s.frames)
	}
	if wide == 0 || narrow == 0 {
		t.Errorf("%d lines before, %d after: %q", wide, narrow, s.frames)
	}
}

// Commands that read and judge nothing say whom they wait for, too: in a line that is gone
// before the answer, or without a terminal once.
func TestReadersSayWhomTheyWaitFor(t *testing.T) {
	const waits = "asks to wait (429), trying again in 1 s"
	stable := "https://" + world.HostDL + "/release/stable.txt"
	for _, run := range []struct{ name, slow, args, answer string }{
		{"list", world.SBOMURL("v1.27.2"), "list v1.27.2 kube-proxy --kind image", "kube-proxy"},
		{"notes", world.ChangelogURL("v1.27.2"), "notes v1.27.2", "v1.27.2"},
		{"releases", world.ScheduleURL, "releases", "MINOR"},
		{"channel", stable, "releases stable -o name", "v1.99.0"},
		{"skew", stable, "skew --apiserver stable --kubelet 1.98", "kubelet"},
		{"show", world.SBOMURL("v1.27.2"), "sbom show v1.27.2", "kube-proxy"},
		{"convert", world.SBOMURL("v1.27.2"), "sbom convert v1.27.2 -o json=DIR/sbom.json", ""},
		{"download", world.FileURL("v1.27.2", "bin/linux/amd64/kubectl"), "download v1.27.2 kubectl --platform linux/amd64 --dry-run", "kubectl"},
	} {
		t.Run(run.name, func(t *testing.T) {
			t.Parallel()
			args := strings.Fields(strings.ReplaceAll(run.args, "DIR", t.TempDir()))
			slow := func() *world.World {
				w := genuine().Clone()
				w.Tamper(stable, func([]byte) []byte { return []byte("v1.99.0") })
				w.Status(run.slow, http.StatusTooManyRequests).Times(2)
				return w
			}
			s := newLine(t, slow()).onTerminal(t, 100, nil, args...)
			for _, f := range s.faults {
				t.Error(f)
			}
			if !slices.ContainsFunc(s.frames, func(f string) bool { return strings.Contains(f, waits) }) {
				t.Errorf("nobody says who asks to wait: %q", s.frames)
			}
			for _, l := range append(s.lines, string(s.row)) {
				if percentOf.MatchString(l) {
					t.Errorf("progress stays behind: %q", l)
				}
			}

			l := newLine(t, slow())
			piped := func() (stdout, stderr string) {
				cmd := l.program(args...)
				cmd.Env = append(cmd.Env, "XDG_CACHE_HOME="+t.TempDir())
				var out, said bytes.Buffer
				cmd.Stdout, cmd.Stderr = &out, &said
				if err := cmd.Run(); err != nil {
					t.Errorf("%v\n%s", err, said.String())
				}
				return out.String(), said.String()
			}
			out, said := piped()
			if !strings.Contains(said, waits) || !strings.Contains(out, run.answer) {
				t.Errorf("nobody says who asks to wait, or there is no answer:\n%s\n%s", said, out)
			}
			if _, said := piped(); strings.Contains(said, "asks to wait") || strings.Contains(said, "not there after") {
				t.Errorf("a run that waits for nobody says\n%s", said)
			}
		})
	}
}
