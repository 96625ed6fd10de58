package live

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
)

const (
	packagesHost = "https://pkgs.k8s.io"
	maxPackages  = 16 << 20  // bytes of a repository's list
	maxDeb       = 128 << 20 // bytes of a package
)

// kubeletPackage asks whether the kubelet in the newest Debian package has the
// bytes that dl.k8s.io has.
func kubeletPackage(ctx context.Context, in *internet, dir string) (learned, error) {
	stable, err := in.marker(ctx, "stable")
	if err != nil {
		return learned{}, err
	}
	base := packagesHost + "/core:/stable:/v" + stable.MinorString() + "/deb/"
	list, err := in.get(ctx, base+"Packages", maxPackages)
	if err != nil {
		return learned{}, err
	}
	p, ok := newestKubelet(list)
	if !ok {
		return learned{answer: "no kubelet for amd64 is in the list", detail: base}, nil
	}
	deb, err := in.get(ctx, base+p.path, maxDeb)
	if err != nil {
		return learned{}, err
	}
	if sum := sha256.Sum256(deb); hex.EncodeToString(sum[:]) != p.sum {
		return learned{answer: "the package has another hash than its list says", detail: base + p.path}, nil
	}
	name := filepath.Join(dir, filepath.Base(p.path))
	if err := os.WriteFile(name, deb, 0o644); err != nil {
		return learned{}, err
	}
	r, err := in.report(ctx, "verify", name)
	l := judged(r)
	l.detail = fmt.Sprintf("%s, %d bytes; %s", filepath.Base(p.path), len(deb), l.detail)
	l.wrong = false // a package that was built from other bytes is what is asked about
	if err == nil && r.Verdict() == report.Verified {
		l.answer = "the bytes of dl.k8s.io, verified"
	}
	return l, err
}

// listed is a package of a repository's list.
type listed struct {
	version   release.Version
	revision  string
	path, sum string
}

// newestKubelet finds the newest kubelet for amd64 in a Debian list of packages:
// stanzas with an empty line between, of fields that may go on in indented lines
// (deb-control(5)). Of one version the later revision counts, as text: there are few.
func newestKubelet(list []byte) (newest listed, ok bool) {
	fields := map[string]string{}
	take := func() {
		upstream, revision, _ := strings.Cut(fields["Version"], "-")
		v, err := release.ParseVersion("v" + upstream)
		path := fields["Filename"]
		if fields["Package"] == "kubelet" && fields["Architecture"] == "amd64" && err == nil && filepath.IsLocal(path) {
			if c := v.Compare(newest.version); !ok || c > 0 || c == 0 && revision > newest.revision {
				newest, ok = listed{version: v, revision: revision, path: path, sum: fields["SHA256"]}, true
			}
		}
		clear(fields)
	}
	s := bufio.NewScanner(bytes.NewReader(list))
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		name, value, _ := strings.Cut(s.Text(), ":")
		switch {
		case s.Text() == "":
			take()
		case s.Text()[0] != ' ' && s.Text()[0] != '\t':
			fields[name] = strings.TrimSpace(value)
		}
	}
	take()
	return newest, ok
}

// TestNewestKubelet holds that a list is read as it is meant: not in the order of its
// text, not across stanzas, and to no path outside of the repository.
func TestNewestKubelet(t *testing.T) {
	stanza := func(name, version, arch, path string) string {
		return fmt.Sprintf("Package: %s\nVersion: %s\nArchitecture: %s\nDescription: an agent\n .\n\tVersion: 9.9.9-1.1\nFilename: %s\nSHA256: of-%s\n", name, version, arch, path, version)
	}
	list := strings.Join([]string{
		stanza("kubelet", "1.28.10-1.1", "amd64", "amd64/10.deb"),
		stanza("kubelet", "1.28.10-2.1", "amd64", "amd64/10-2.deb"),
		stanza("kubelet", "1.28.2-1.1", "amd64", "amd64/2.deb"),
		stanza("kubelet", "1.28.11-1.1", "arm64", "arm64/11.deb"),
		stanza("kubelet", "1.28.12-1.1", "amd64", "../../12.deb"),
		stanza("kubelet", "1.28.13~rc", "amd64", "amd64/13.deb"),
		stanza("cri-tools", "1.28.14-1.1", "amd64", "amd64/cri-tools.deb"),
	}, "\n")
	p, ok := newestKubelet([]byte(list))
	if !ok || p.path != "amd64/10-2.deb" || p.sum != "of-1.28.10-2.1" || p.version.String() != "v1.28.10" {
		t.Errorf("found %+v, %v", p, ok)
	}
	if p, ok := newestKubelet([]byte(stanza("kubelet", "1.28.11-1.1", "arm64", "arm64/11.deb"))); ok {
		t.Errorf("found %+v", p)
	}
}
