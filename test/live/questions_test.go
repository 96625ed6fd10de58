package live

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/sigstore"
)

// learned is what a question taught.
type learned struct {
	answer string // facts that hold for months; compared with what is known
	detail string // of the day: versions, sizes, numbers
	wrong  bool   // kverify refutes what nothing else says anything against
}

// question is one of the list, in whose order they are asked.
type question struct {
	name string
	ask  func(ctx context.Context, in *internet, dir string) (learned, error)
}

var questions = []question{
	{"images-stable", images("stable")},
	{"verify-stable", verify("stable")},
	{"images-old", images("v1.27.2")},
	{"verify-old", verify("v1.27.2")},
	{"images-oldest", images("v1.24.0")},
	{"verify-oldest", verify("v1.24.0")},
	{"images-pre-release", preRelease(images)},
	{"verify-pre-release", preRelease(verify)},
	{"rekor-by-hash", rekorByHash},
	{"rekor-entry", rekorEntry},
	{"file-stable", file("stable")},
	{"file-old", file("v1.27.2")},
	{"trust-update", trustUpdate},
	{"promotion-manifest", promotionManifest},
	{"referrers", referrers},
	{"attestations", attestations},
	{"package", kubeletPackage},
}

type asking = func(ctx context.Context, in *internet, dir string) (learned, error)

// judged is a report in one line: its verdict, and which checks of which kinds of
// subject keep it from being verified.
func judged(r report.Report) learned {
	var why []string
	for _, res := range r.Results {
		for _, c := range res.Checks {
			if c.Required && c.Verdict != report.Verified {
				why = append(why, fmt.Sprintf("%s of %s %s (%s)", c.Name, res.Kind, c.Verdict, c.Reason))
			}
		}
	}
	slices.Sort(why)
	l := learned{answer: r.Verdict().String(), wrong: r.Verdict() == report.Refuted}
	if why = slices.Compact(why); len(why) > 0 {
		l.answer += ": " + strings.Join(why, ", ")
	}
	l.detail = fmt.Sprintf("%s: %d verified, %d refuted, %d unknown", strings.Join(r.Releases, " "), r.Count(report.Verified), r.Count(report.Refuted), r.Count(report.Unknown))
	return l
}

func images(version string) asking { return judge("images", version) }
func verify(version string) asking { return judge("verify", version) }

func judge(args ...string) asking {
	return func(ctx context.Context, in *internet, _ string) (learned, error) {
		r, err := in.report(ctx, args...)
		return judged(r), err
	}
}

// marker reads what a channel names.
func (in *internet) marker(ctx context.Context, name string) (release.Version, error) {
	text, err := in.get(ctx, release.MarkerURL(name), 1<<10)
	if err != nil {
		return release.Version{}, err
	}
	return release.ParseVersion(string(text))
}

// preRelease asks about the newest alpha, beta or candidate.
func preRelease(what func(string) asking) asking {
	return func(ctx context.Context, in *internet, dir string) (learned, error) {
		stable, err := in.marker(ctx, "stable")
		if err != nil {
			return learned{}, err
		}
		next := stable
		next.Minor++
		for _, name := range []string{"latest", "latest-" + next.MinorString(), "latest-" + stable.MinorString()} {
			v, err := in.marker(ctx, name)
			if err == nil && strings.Contains(v.Bare(), "-") {
				return what(v.String())(ctx, in, dir)
			}
		}
		return learned{}, fmt.Errorf("no marker names a pre-release near %s", stable)
	}
}

// file downloads a program with all its proofs.
func file(version string) asking {
	return func(ctx context.Context, in *internet, dir string) (learned, error) {
		r, err := in.report(ctx, "download", version, "kubectl", "--os", "linux", "--arch", "amd64", "-d", dir)
		if err != nil {
			return learned{}, err
		}
		l := judged(r)
		if saved, err := os.Stat(filepath.Join(dir, "kubectl")); err == nil {
			l.detail += fmt.Sprintf("; kubectl has %d bytes", saved.Size())
		}
		_, err = os.Stat(filepath.Join(dir, "kubectl.sigstore.json"))
		if (err == nil) != (r.Verdict() == report.Verified) {
			return l, errors.New("a bundle stands beside a file that is not verified, or none beside one that is")
		}
		return l, nil
	}
}

// signature reads what lies beside the newest kubectl: its hash, signature and certificate.
func (in *internet) signature(ctx context.Context) (*sigstore.DetachedSignature, error) {
	v, err := in.marker(ctx, "stable")
	if err != nil {
		return nil, err
	}
	beside := map[string][]byte{}
	for _, suffix := range []string{".sha256", ".sig", ".cert"} {
		if beside[suffix], err = in.get(ctx, v.FileURL("bin/linux/amd64/kubectl")+suffix, 1<<16); err != nil {
			return nil, err
		}
	}
	sum, err := hex.DecodeString(strings.TrimSpace(string(beside[".sha256"])))
	if err != nil || len(sum) != sha256.Size {
		return nil, fmt.Errorf("kubectl.sha256 of %s is not a hash in hex: %.80q", v, beside[".sha256"])
	}
	return sigstore.ParseDetached([sha256.Size]byte(sum), beside[".sig"], beside[".cert"])
}

// reads says whether an answer is the JSON that was asked for. That it is not is an answer too.
func reads(answer []byte, into any) bool { return json.Unmarshal(answer, into) == nil }

const maxEntries = 4 << 20 // bytes of what a log answers

// rekorByHash asks the search index, of which nothing is promised.
func rekorByHash(ctx context.Context, in *internet, _ string) (learned, error) {
	s, err := in.signature(ctx)
	if err != nil {
		return learned{}, err
	}
	question, err := json.Marshal(map[string]string{"hash": string(s.Digest())})
	if err != nil {
		return learned{}, err
	}
	h, err := in.ask(ctx, http.MethodPost, world.RekorSearchURL, question, maxEntries)
	if err != nil {
		return learned{}, err
	}
	kind, _, _ := strings.Cut(h.kind, ";")
	var ids []string
	switch {
	case h.status != http.StatusOK:
		return learned{answer: fmt.Sprintf("status %d", h.status), detail: kind}, nil
	case !reads(h.body, &ids):
		return learned{answer: "status 200, and no list: " + kind}, nil
	case len(ids) == 0:
		return learned{answer: "an empty list, of a file that is logged"}, nil
	}
	return learned{answer: "a list", detail: fmt.Sprintf("%d entries", len(ids))}, nil
}

// rekorEntry asks the log for the entry that it must have.
func rekorEntry(ctx context.Context, in *internet, _ string) (learned, error) {
	s, err := in.signature(ctx)
	if err != nil {
		return learned{}, err
	}
	question, err := json.Marshal(map[string]any{"entries": []any{s.Proposal()}})
	if err != nil {
		return learned{}, err
	}
	h, err := in.ask(ctx, http.MethodPost, world.RekorEntriesURL, question, maxEntries)
	if err != nil {
		return learned{}, err
	}
	var found []map[string]json.RawMessage
	if h.status != http.StatusOK || !reads(h.body, &found) {
		return learned{answer: fmt.Sprintf("status %d, and no list", h.status), detail: h.kind}, nil
	}
	list, why := sigstore.CountEntries(in.root, s, found)
	if len(list) == 0 {
		return learned{answer: "no entry that counts", detail: fmt.Sprint(why)}, nil
	}
	logged, err := s.Bundle(list[0])
	if err != nil {
		return learned{}, err
	}
	if err := logged.Verify(in.root, s.Identity); err != nil {
		return learned{}, fmt.Errorf("the entry does not verify: %w", err)
	}
	return learned{answer: "an entry that verifies", detail: fmt.Sprintf("of %d; index %d, signed by %s", len(list), list[0].LogIndex, s.Identity.Subject)}, nil
}

// trustUpdate fetches the newest trusted root, beside the one that the program judges by.
func trustUpdate(ctx context.Context, in *internet, dir string) (learned, error) {
	args := []string{"trust", "update", filepath.Join(dir, "trusted_root.json"), "-o", "json"}
	if in.chain != "" {
		args = append(args, "--tuf-root", in.chain)
		if err := os.WriteFile(args[2], in.rootText, 0o644); err != nil {
			return learned{}, err
		}
	}
	out, err := in.kverify(ctx, args...)
	if err != nil {
		return learned{}, err
	}
	var said struct {
		Written          bool
		RootVersion      int64
		TimestampVersion int64
		Until            time.Time
		Changes          []struct{ Change, Kind, URI string }
	}
	if !reads(out, &said) || !said.Written {
		return learned{}, fmt.Errorf("kverify trust update wrote nothing: %.300s", out)
	}
	changes := []string{}
	for _, c := range said.Changes {
		changes = append(changes, strings.Join([]string{c.Change, c.Kind, c.URI}, " "))
	}
	slices.Sort(changes)
	return learned{
		answer: fmt.Sprintf("written; other than before: %q", changes),
		detail: fmt.Sprintf("root version %d, timestamp version %d, until %s", said.RootVersion, said.TimestampVersion, said.Until.Format(time.DateOnly)),
	}, nil
}

// promotionManifest asks how much of what kverify reads at most is in use.
func promotionManifest(ctx context.Context, in *internet, _ string) (learned, error) {
	const most = 64 << 20
	text, err := in.get(ctx, release.PromotionURL("kube-apiserver"), most)
	if err != nil {
		return learned{}, err
	}
	size := 1
	for len(text) > size<<20 {
		size *= 2
	}
	p, why := release.ParsePromotion(text)
	if p == nil {
		return learned{answer: fmt.Sprintf("at most %d MiB, and not readable", size), detail: fmt.Sprintf("%d bytes: %v", len(text), why)}, nil
	}
	return learned{answer: fmt.Sprintf("at most %d MiB, readable", size), detail: fmt.Sprintf("%d bytes, %d names", len(text), len(p.Images()))}, nil
}

// referrers asks the registry itself what refers to an image of the newest release.
func referrers(ctx context.Context, in *internet, _ string) (learned, error) {
	r, err := in.report(ctx, "images", "stable", "kube-apiserver", "--arch", "amd64")
	if err != nil {
		return learned{}, err
	}
	i := slices.IndexFunc(r.Results, func(res report.Result) bool {
		return res.Digest != "" && res.Platform == "" && strings.Contains(res.Subject, "/kube-apiserver:")
	})
	if i < 0 {
		return learned{}, errors.New("kverify images does not say which digest kube-apiserver has")
	}
	h, err := in.ask(ctx, http.MethodGet, "https://"+world.HostRegistry+"/v2/kube-apiserver/referrers/"+r.Results[i].Digest, nil, 4<<20)
	if err != nil {
		return learned{}, err
	}
	l := learned{detail: r.Results[i].Subject + ", answered by " + h.url.Host}
	var index struct {
		Manifests []struct {
			ArtifactType string `json:"artifactType"`
		} `json:"manifests"`
	}
	switch {
	case h.status != http.StatusOK:
		l.answer = fmt.Sprintf("status %d", h.status)
		return l, nil
	case !reads(h.body, &index):
		l.answer = "status 200, and no index"
		return l, nil
	}
	var types []string
	for _, m := range index.Manifests {
		types = append(types, m.ArtifactType)
	}
	slices.Sort(types)
	l.answer = fmt.Sprintf("an index of %q", slices.Compact(types))
	return l, nil
}

// attestations asks kverify for what it looks for among the referrers.
func attestations(ctx context.Context, in *internet, _ string) (learned, error) {
	r, err := in.report(ctx, "images", "stable", "kube-apiserver", "--arch", "amd64", "--require", "staging,promotion,vsa,provenance")
	if err != nil {
		return learned{}, err
	}
	return judged(r), nil
}
