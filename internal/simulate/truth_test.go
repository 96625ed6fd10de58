package simulate

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kverify/kverify/internal/world/expect"
	"github.com/kverify/kverify/pkg/convert"
)

// isTrue holds every result that is verified against what the world released.
//
// One thing is not held against the program: where the publisher of claims
// (raw.githubusercontent.com, with the promotion manifests and the CHANGELOGs) lies
// together with who serves the subject, rule 8 of docs/trust.md has no witness left. An
// image is then still one that was signed under its name, of some version, and a
// file that only the CHANGELOG binds may be any.
func (r *run) isTrue(o outcome) {
	for _, res := range o.report.Results {
		if res.Verdict != "verified" {
			continue
		}
		ok := true
		switch res.Kind {
		case "image":
			ok = r.trueImage(o, res) && r.wasRead(o, res)
		case "file":
			ok = r.trueFile(o, res)
		case "document":
			ok = r.truth.At(res.Subject, res.Digest) || slices.Contains(r.signed, res.Digest)
		}
		if !ok {
			r.fail("FALSELY VERIFIED %q: %s %s %s %s", o.args, res.Kind, res.Subject, res.Platform, res.Digest)
		}
	}
	if o.report.Verdict == "verified" {
		r.isWhole(o)
	}
}

func digestOf(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func hexOf(digest string) string { return strings.TrimPrefix(digest, "sha256:") }

const (
	private = "harbor.corp.example/k8s" // where the scenes' copies lie, which --as maps to the registry
	inside  = "inside.example/k8s"      // where mirrors are pushed to
)

// trueImage says whether a digest is one of the image that its subject names.
func (r *run) trueImage(o outcome, res result) bool {
	ref := strings.NewReplacer(private+"/", "", inside+"/", "").Replace(res.Subject)
	ref = strings.TrimPrefix(ref, "registry.k8s.io/")
	name, tag := ref, ""
	if at := strings.IndexByte(name, '@'); at >= 0 {
		name = name[:at]
	}
	if at := strings.LastIndexByte(name, ':'); at >= 0 {
		name, tag = name[:at], name[at+1:]
	}
	if tag == "" && res.Release != "" && !strings.Contains(ref, "/") {
		tag = res.Release
	}
	if tag != "" && !r.lied(o) {
		return r.isOf(name+":"+tag, res.Platform, res.Digest)
	}
	if r.truth.Ever(name, res.Platform, res.Digest) {
		return true
	}
	for _, v := range r.w.Versions() {
		if r.isOf(name+":"+v, res.Platform, res.Digest) {
			return true
		}
	}
	return false
}

// wasRead says whether the bytes that a digest stands for, and those of the image's config,
// were delivered at all: what is verified was read, and hashes to what is said of it. It
// is asked where bytes can come from nowhere else.
func (r *run) wasRead(o outcome, res result) bool {
	if offline(o) || r.made || slices.Contains(o.args, "--cache") || res.Digest == "" {
		return true
	}
	if named := o.args[1]; o.args[0] == "verify" && (strings.HasPrefix(named, "registry.k8s.io/") || strings.HasPrefix(named, "sha256:")) && !r.delivered.have(res.Digest) {
		return false
	}
	ref := strings.NewReplacer(private+"/", "", "registry.k8s.io/", "").Replace(res.Subject)
	_, manifests, configs := r.w.Released(ref)
	if res.Platform == "" && r.truth.Image(ref, "") == res.Digest && configs != nil {
		return r.delivered.have(res.Digest)
	}
	if m := manifests[res.Platform]; m != nil && digestOf(m) == res.Digest {
		return r.delivered.have(res.Digest) && r.delivered.have(digestOf(configs[res.Platform]))
	}
	return true
}

// offline says whether a run had a mirror for its world.
func offline(o outcome) bool {
	return slices.Contains(o.args, "--mirror") || o.args[0] == "mirror" && o.args[1] == "push" || o.args[0] == "verify" && strings.Contains(o.args[1], "/mirror")
}

// lied says whether a publisher's claims, as they were read, may have been a lie. In a
// mirror, and over a connection that proves nothing, nothing is a publisher's word, but for what its
// operator heard and vouches for.
func (r *run) lied(o outcome) bool {
	if offline(o) {
		return r.vouchedLie && slices.Contains(o.args, "--key")
	}
	return r.lies && !r.distrusted
}

// isOf says whether a digest is of the image, as released or as a converter writes it.
func (r *run) isOf(ref, platform, digest string) bool {
	if digest != "" && r.truth.Image(ref, platform) == digest {
		return true
	}
	return slices.Contains(r.forms(ref, platform), digest)
}

// forms are the digests that stand for an image in copies: of its configs, and of what
// is computed from its documents. For a name of one architecture they are that one's.
func (r *run) forms(ref, platform string) (digests []string) {
	if platform == "" {
		return nil
	}
	name, tag, _ := strings.Cut(ref, ":")
	_, manifests, configs := r.w.Released(ref)
	if configs == nil {
		if i := strings.LastIndexByte(name, '-'); i > 0 && strings.HasPrefix(platform, "linux/"+name[i+1:]) {
			_, manifests, configs = r.w.Released(name[:i] + ":" + tag)
		}
	}
	config, manifest := configs[platform], manifests[platform]
	if config == nil {
		return nil
	}
	sum := sha256.Sum256(config)
	digests = append(digests, "sha256:"+hex.EncodeToString(sum[:]))
	derived, _ := convert.Configs(config)
	for _, d := range derived {
		digests = append(digests, string(d.Digest))
		ms, _ := convert.Manifests(manifest, d)
		for _, m := range ms {
			digests = append(digests, string(m.Digest))
		}
	}
	return digests
}

// trueFile says whether a file is that of the release at that path, or, on a disk, has
// the bytes of one that was released.
func (r *run) trueFile(o outcome, res result) bool {
	if r.lied(o) && (strings.HasSuffix(res.Subject, ".tar.gz") || slices.ContainsFunc(res.SeenAs, func(s string) bool { return strings.HasSuffix(s, ".tar.gz") })) {
		return true // what only the CHANGELOG binds
	}
	for _, name := range append([]string{res.Subject}, res.SeenAs...) {
		if strings.Contains(name, "://") {
			continue
		}
		body, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		sum := sha256.Sum256(body)
		if hex.EncodeToString(sum[:]) != hexOf(res.Digest) {
			return false
		}
	}
	if strings.Contains(res.Subject, "://") {
		return r.truth.At(res.Subject, res.Digest)
	}
	urls := r.truth.FileIs(res.Digest)
	return slices.ContainsFunc(urls, func(u string) bool { return res.Release == "" || strings.Contains(u, "/"+res.Release+"/") })
}

// isWhole holds that a verified report of a release has every image and platform that
// was asked for: nobody shrinks the list (2). A mirror may to architectures (26).
func (r *run) isWhole(o outcome) {
	if o.report.Scope.Partial || o.args[0] != "images" {
		return
	}
	version := o.report.Scope.Subjects[0]
	names := o.report.Scope.Names
	all, tags := r.w.Images(version)
	for i, name := range all {
		if tags[i] != version || len(names) > 0 && !slices.Contains(names, name) {
			continue
		}
		ref := name + ":" + version
		for _, arch := range append(r.w.Arches(version), "") {
			if arch != "" && slices.Contains(o.args, "--mirror") || arch != "" && len(o.report.Scope.Platforms) > 0 && !slices.Contains(o.report.Scope.Platforms, arch) {
				continue
			}
			if !slices.ContainsFunc(o.report.Results, func(res result) bool {
				return res.Subject == "registry.k8s.io/"+ref && (arch == "" && res.Platform == "" || arch != "" && strings.HasPrefix(res.Platform+"/", "linux/"+arch+"/"))
			}) {
				r.fail("%q: verified without %s %s", o.args, ref, arch)
			}
		}
	}
}

// keeps holds that what lies in a directory under the name of a released file is that
// file: url gives what a path stands for, empty if nothing.
func (r *run) keeps(dir string, url func(path string) string) {
	_ = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err // there is no such directory
		}
		if d.IsDir() {
			return nil
		}
		rel, _ := filepath.Rel(dir, path)
		want := r.truth.File(url(filepath.ToSlash(rel)))
		if want == "" || r.lies && strings.HasSuffix(rel, ".tar.gz") {
			return nil
		}
		if expect.EraOf(r.version) == expect.Unsigned && strings.Contains(rel, "kubernetes-release.spdx") {
			return nil // nobody signed it, and no other party has its digest: a document is kept as it was read
		}
		body, err := os.ReadFile(path)
		sum := sha256.Sum256(body)
		if err == nil && hex.EncodeToString(sum[:]) != want && !slices.Contains(r.signed, "sha256:"+hex.EncodeToString(sum[:])) {
			r.fail("%s has got its name, and is not what was released", path)
		}
		return nil
	})
}
