package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/kverify/kverify/internal/command"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/mirror"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/trust"
	"github.com/kverify/kverify/pkg/verify"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func TestExitCode(t *testing.T) {
	stoppedBy := func(s os.Signal) context.Context {
		ctx, cancel := context.WithCancelCause(context.Background())
		cancel(command.Stopped{Signal: s})
		return ctx
	}
	plain := context.Background()
	for _, c := range []struct {
		name   string
		ctx    context.Context
		err    error
		earned report.Verdict
		want   int
	}{
		{"verified", plain, nil, report.Verified, 0},
		{"refuted", plain, nil, report.Refuted, 1},
		{"unknown", plain, nil, report.Unknown, 3},
		{"closed pipe", plain, fmt.Errorf("write: %w", syscall.EPIPE), report.Verified, 0},
		{"closed pipe, refuted", plain, syscall.EPIPE, report.Refuted, 1},
		{"full disk", plain, syscall.ENOSPC, report.Verified, 3},
		{"full disk, refuted", plain, syscall.ENOSPC, report.Refuted, 1},
		{"usage", plain, command.Usagef("no"), report.Verified, 2},
		{"verify's usage", plain, &verify.UsageError{Message: "no"}, report.Verified, 2},
		{"version", plain, fmt.Errorf("x: %w", &release.VersionError{}), report.Verified, 2},
		{"reference", plain, &registry.RefError{}, report.Verified, 2},
		{"policy", plain, &trust.FileError{Err: io.EOF}, report.Verified, 2},
		{"mirror", plain, fmt.Errorf("x: %w", mirror.ErrNotMirror), report.Verified, 2},
		{"network", plain, &fetch.Error{Kind: fetch.Unreachable}, report.Verified, 3},
		{"never released", plain, &fetch.Error{Kind: fetch.NotFound}, report.Verified, 3},
		{"anything else", plain, errors.New("else"), report.Verified, 3},
		{"interrupt", stoppedBy(os.Interrupt), nil, report.Unknown, 130},
		{"interrupt, refuted", stoppedBy(os.Interrupt), nil, report.Refuted, 130},
		{"terminate", stoppedBy(syscall.SIGTERM), context.Canceled, report.Unknown, 143},
	} {
		if got := command.ExitCode(c.ctx, c.err, command.VerdictExit[c.earned]); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
	if len(command.VerdictExit) != 3 || command.VerdictExit[report.Unknown] == 0 || command.VerdictExit[report.Refuted] == 0 {
		t.Error("a verdict that is no proof maps to 0")
	}
}

// TestFault holds that a panic is said, is not a verdict, and is not a usage error.
func TestFault(t *testing.T) {
	var out, conversation bytes.Buffer
	a := &command.App{Args: []string{"images", "v1.27.2"}, Getenv: func(string) string { panic("boom\x1b[0m") }, Stdout: &out, Stderr: &conversation}
	if code := Run(context.Background(), a); code != command.ExitUnknown {
		t.Errorf("code %d", code)
	}
	if s := conversation.String(); !strings.Contains(s, `boom\x1b[0m`) || !strings.Contains(s, "please report it") || out.Len() > 0 {
		t.Errorf("stdout %q, stderr %q", out.String(), s)
	}
}

// TestNoSocketByConstruction holds that a run with a mirror alone has no
// transport that could open one, and that an endpoint brings one for its host.
func TestNoSocketByConstruction(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "files"), 0o755); err != nil {
		t.Fatal(err)
	}
	a := &command.App{Stderr: io.Discard}
	set := &command.Settings{Shared: command.Shared{Mirror: dir}}
	got, err := a.Transport(set)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := got.(*mirror.Mirror); !ok {
		t.Errorf("the transport is %T", got)
	}
	host, base, err := command.Endpoint("Registry.k8s.io=http://127.0.0.1:5000/k8s/")
	if err != nil || host != "registry.k8s.io" || base.String() != "http://127.0.0.1:5000/k8s" {
		t.Fatal(host, base, err)
	}
	set.Endpoints = map[string]*url.URL{host: base}
	got, err = a.Transport(set)
	if err != nil {
		t.Fatal(err)
	}
	split, ok := got.(*fetch.ByHost)
	if !ok || len(split.Hosts) != 1 || split.Hosts["127.0.0.1:5000"] == nil {
		t.Fatalf("%T %v", got, split)
	}
	if _, ok := split.Else.(*mirror.Mirror); !ok {
		t.Errorf("other hosts go to %T", split.Else)
	}
	req, _ := http.NewRequest("GET", "https://example.com/", nil)
	var foreign *mirror.HostError
	if _, err := got.RoundTrip(req); !errors.As(err, &foreign) {
		t.Errorf("another host: %v", err)
	}
}

func TestSplitList(t *testing.T) {
	for in, want := range map[string][]string{
		"": nil, " , ": nil, "a": {"a"}, "a,b c": {"a", "b", "c"}, "a,a": {"a"},
	} {
		if got := command.SplitList(in); !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %q", in, got)
		}
	}
}

// TestVariables holds the list of variables, which help shows, to the flags of all commands.
func TestVariables(t *testing.T) {
	known := command.Variables()
	met := map[string]bool{}
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		c.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
			if _, own := f.Annotations[command.NotFromEnvironment]; own || f.Name == "help" {
				return
			}
			name := command.EnvironmentName(f.Name)
			if met[name] = true; !slices.Contains(known, name) {
				t.Errorf("%s --%s reads %s, which is not in the list", c.CommandPath(), f.Name, name)
			}
		})
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(rootCommand(&command.App{}))
	for _, name := range known {
		if !met[name] {
			t.Errorf("%s is in the list, and no flag reads it", name)
		}
		if !strings.Contains(command.TopicEnvironment, name) {
			t.Errorf("help environment does not name %s", name)
		}
	}
}
