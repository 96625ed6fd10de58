package release

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/kverify/kverify/pkg/fetch"
)

// released.json holds the newest patch of every minor on one day, so that a
// marker which was rolled back to an older one is noticed without a request.
//
//go:embed released.json
var releasedJSON []byte

type snapshotData struct {
	AsOf   string    `json:"asOf"` // a date
	Source string    `json:"source"`
	Newest []Version `json:"newest"` // newest minor first
}

var snapshot = sync.OnceValue(func() snapshotData {
	var s snapshotData
	if err := json.Unmarshal(releasedJSON, &s); err != nil {
		panic("embedded released.json: " + err.Error()) // a test reads it
	}
	return s
})

// Snapshot returns the newest patch of every minor, newest minor first, that
// was out on the date asOf ("2026-06-09"), as embedded here.
func Snapshot() (newest []Version, asOf string) {
	return append([]Version(nil), snapshot().Newest...), snapshot().AsOf
}

// Newest returns the newest patch of v's minor that the snapshot knows.
func Newest(v Version) (Version, bool) {
	for _, w := range snapshot().Newest {
		if w.Major == v.Major && w.Minor == v.Minor {
			return w, true
		}
	}
	return Version{}, false
}

// maxMarker bounds a version marker: "v1.28.0-alpha.10" has sixteen bytes.
const maxMarker = 64

// A MarkerError says that a version marker could not be used.
type MarkerError struct {
	Spec string // what was asked for, such as "1.27"
	URL  string
	Body string // what came, if it is at fault
	Why  string
	Err  error
}

func (e *MarkerError) Error() string {
	s := fmt.Sprintf("cannot tell which version %s is: ", quote(e.Spec))
	if e.Err != nil {
		return s + e.Err.Error()
	}
	return s + fmt.Sprintf("%s says %s, %s; name an exact version instead", e.URL, quote(e.Body), e.Why)
}

func (e *MarkerError) Unwrap() error { return e.Err }

// A RollbackError says that a version marker names a version older than one
// that is known to be out.
type RollbackError struct {
	Spec, URL  string
	Got, Known Version
	AsOf       string // when Known was out
}

func (e *RollbackError) Error() string {
	return fmt.Sprintf("%s: %s says %s, but %s was out on %s: the marker was rolled back, or a cache is stale; name an exact version instead",
		quote(e.Spec), e.URL, e.Got, e.Known, e.AsOf)
}

// Channel returns the name of the version marker that spec asks for, or the
// version that it names exactly; one of the two. A spec is "v1.27.2" or
// "1.27.2", "1.27" or "v1.27" (which mean stable-1.27), "stable", "latest",
// "stable-1.27", "latest-1.27", and, of a major version, "stable-1" (which is
// kubeadm's default) and "latest-1". Anything else is a [*VersionError].
//
// A "latest" marker follows pre-releases alone, so that latest-1.27 may be
// older than stable-1.27.
func Channel(spec string) (marker string, exact Version, err error) {
	v, err := ParseVersion(spec)
	if err == nil {
		return "", v, nil
	}
	bad := func() (string, Version, error) {
		var e *VersionError
		if minor, patch, ok := cutPatch(spec); ok && (patch == "x" || patch == "X" || patch == "*") {
			return "", Version{}, versionError(spec, "its patch is not a number; write "+minor+" for the newest patch of that minor")
		}
		if errors.As(err, &e) && strings.Count(spec, ".") >= 2 {
			return "", Version{}, err // it was meant as an exact version
		}
		e = versionError(spec, "it is no channel either, such as stable, latest, 1.27, latest-1.27 or stable-1")
		return "", Version{}, e
	}
	kind, branch, hasBranch := strings.Cut(spec, "-")
	if kind != "stable" && kind != "latest" {
		kind, branch, hasBranch = "stable", strings.TrimPrefix(spec, "v"), true
	}
	if !hasBranch {
		return kind, Version{}, nil
	}
	if n, ok := number(branch); ok && n > 0 && strings.HasPrefix(spec, kind) {
		return kind + "-" + branch, Version{}, nil // of a major version
	}
	if major, minor, ok := strings.Cut(branch, "."); ok {
		n, ok1 := number(major)
		_, ok2 := number(minor)
		if ok1 && ok2 && n > 0 {
			return kind + "-" + branch, Version{}, nil
		}
	}
	return bad()
}

// cutPatch cuts "v1.27.x" into "1.27" and "x".
func cutPatch(spec string) (minor, patch string, ok bool) {
	i := strings.LastIndexByte(spec, '.')
	if i < 0 {
		return "", "", false
	}
	minor = strings.TrimPrefix(spec[:i], "v")
	major, minorNumber, _ := strings.Cut(minor, ".")
	_, ok1 := number(major)
	_, ok2 := number(minorNumber)
	return minor, spec[i+1:], ok1 && ok2
}

// Resolve turns a spec (see [Channel]) into a version. An exact version costs
// no request and is not looked up; a channel costs one GET of its marker. A
// marker that is not a version of that channel is a [*MarkerError], one older than
// what the embedded snapshot knows to be out a [*RollbackError].
func Resolve(ctx context.Context, c *fetch.Client, spec string) (Version, error) {
	marker, v, err := Channel(spec)
	if err != nil || marker == "" {
		return v, err
	}
	url := MarkerURL(marker)
	resp, err := c.Get(ctx, url, maxMarker)
	if err != nil {
		return Version{}, &MarkerError{Spec: spec, URL: url, Err: err}
	}
	body := strings.TrimSuffix(strings.TrimSuffix(string(resp.Body), "\n"), "\r")
	v, err = ParseVersion(body)
	bad := func(why string) (Version, error) {
		return Version{}, &MarkerError{Spec: spec, URL: url, Body: body, Why: why}
	}
	if err != nil || !strings.HasPrefix(body, "v") {
		return bad("which is not a version")
	}
	kind, branch, _ := strings.Cut(marker, "-")
	if branch != "" && v.MinorString() != branch && strconv.Itoa(v.Major) != branch {
		return bad("which is not a version of " + branch)
	}
	if kind == "stable" && v.Pre != "" {
		return bad("which is a pre-release")
	}
	if known := newestOf(kind, branch, v); v.Compare(known) < 0 {
		return Version{}, &RollbackError{spec, url, v, known, snapshot().AsOf}
	}
	return v, nil
}

// newestOf returns what a marker must not be older than; the zero Version if
// nothing is known of it.
func newestOf(kind, branch string, v Version) Version {
	if !strings.Contains(branch, ".") && branch == strconv.Itoa(snapshot().Newest[0].Major) {
		branch = "" // the newest of that major version is the newest of all
	}
	switch {
	case kind == "stable" && branch != "":
		known, _ := Newest(v)
		return known
	case kind == "stable":
		return snapshot().Newest[0]
	case branch == "":
		// The newest pre-release may belong to the newest minor's next patch, or
		// to the minor after it; never to an older one.
		known := snapshot().Newest[0]
		known.Patch, known.Pre = 0, "alpha.0"
		return known
	}
	return Version{}
}
