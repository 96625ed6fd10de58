package command

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/mirror"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/support"
)

// Resolve turns what was typed into a version. What surprises about it is said
// once nothing else is written to stderr, by sayRemarks.
func (a *App) Resolve(ctx context.Context, c *fetch.Client, spec string) (v release.Version, err error) {
	a.await("which version "+spec+" is", func() { v, err = release.Resolve(ctx, c, spec) })
	if err == nil {
		a.SayLater(Meant(spec, v))
		return v, nil
	}
	return v, inMirror(c.Transport, spec, err)
}

// inMirror words why a channel leads to no version where everything is read from a mirror, whose
// markers, if it has any, are as old as it is.
func inMirror(transport http.RoundTripper, spec string, err error) error {
	marker, _, notVersion := release.Channel(spec)
	dir := mirrorOf(transport)
	if notVersion != nil || marker == "" || dir == nil {
		return err
	}
	var held []string
	for _, v := range dir.Contents().Versions {
		held = append(held, v.String())
	}
	if len(held) == 0 {
		return err
	}
	slices.Reverse(held)
	return &channelError{spec, dir.Path(), held, err}
}

// mirrorOf is the mirror that a run reads from; nil if it reads from the network.
func mirrorOf(transport http.RoundTripper) *mirror.Mirror {
	switch t := transport.(type) {
	case *mirror.Mirror:
		return t
	case *fetch.Trace:
		return mirrorOf(t.Next)
	case *fetch.Endpoints:
		return mirrorOf(t.Next)
	case *fetch.ByHost:
		return mirrorOf(t.Else)
	}
	return nil
}

// channelError says that a mirror does not tell which version a channel is.
type channelError struct {
	spec, dir string
	held      []string // versions, oldest first
	err       error
}

func (e *channelError) Error() string {
	list := e.held
	if most := 8; len(list) > most {
		list = list[len(list)-most:]
	}
	return fmt.Sprintf("which version %q is, the mirror %s does not tell: it holds %s; name one of them", e.spec, e.dir, strings.Join(list, ", "))
}

func (e *channelError) Unwrap() error { return e.err }

// Meant says which version a channel turned out to be where that surprises:
// latest-1.27 is older than stable-1.27 once 1.27 is out.
func Meant(spec string, v release.Version) string {
	marker, _, err := release.Channel(spec)
	known, ok := release.Newest(v)
	if err != nil || !strings.HasPrefix(marker, "latest-") || !ok || v.Compare(known) >= 0 {
		return ""
	}
	return fmt.Sprintf("%s is %s, which is older than %s: latest follows pre-releases alone; write %s for the newest patch",
		spec, v, known, "stable-"+v.MinorString())
}

// Advise says what speaks against a version as far as the snapshot knows: a
// command that fetches a release sends no request for it.
func Advise(v release.Version) string {
	text := support.Embedded().Warning(v, time.Now())
	if text == "" {
		return ""
	}
	return fmt.Sprintf("%s (as of %s; see kverify releases %s)", text, support.Embedded().AsOf, v.MinorString())
}

// VersionOrFile tells the two apart; what may be both is a usage error.
func VersionOrFile(arg string) (isFile bool, err error) {
	_, _, bad := release.Channel(arg)
	isPath := strings.ContainsRune(arg, os.PathSeparator) || strings.Contains(arg, "/")
	_, missing := os.Lstat(arg)
	switch {
	case bad == nil && missing == nil:
		return false, Usagef("%q is both a version and a file here; write ./%s for the file, or run this from another directory for the version", arg, arg)
	case bad == nil:
		return false, nil
	case missing == nil || isPath:
		return true, nil
	}
	if err := ForeignVersion(arg); err != nil {
		return false, err
	}
	return false, Usagef("%q is neither a version nor a file here; write a version such as v1.27.2, or the path of a file", arg)
}

// ForeignVersion is the error of a version that a vendor made out of an
// upstream one, as clusters and packages print them; nil for anything else. It
// names the upstream version, and stands for it nowhere: other bytes bear it.
func ForeignVersion(arg string) error {
	_, err := release.ParseVersion(arg)
	var e *release.VersionError
	if errors.As(err, &e) && !e.Upstream.IsZero() {
		return err
	}
	return nil
}
