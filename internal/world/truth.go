package world

import (
	"encoding/json"
	"slices"
	"strings"
)

// Truth is what was released, whatever has become of the world since: which bytes
// belong to which name. No attack changes it, so that an oracle that asks it cannot err.
type Truth struct {
	images map[string]string // "name:tag os/arch[...]" or "name:tag" -> digest
	files  map[string]string // canonical URL -> hex of SHA-256
	longer map[string]string // hex of SHA-512 -> hex of SHA-256
}

// Truth says what the releases of this world are. The files that lie in its registry
// are those of the moment, so that it must be called before an attack.
func (w *World) Truth() *Truth {
	t := &Truth{images: map[string]string{}, files: map[string]string{}, longer: map[string]string{}}
	for version, r := range w.releases {
		for _, im := range r.images {
			ref := im.name + ":" + im.tag
			t.images[ref] = im.list.Digest()
			for _, p := range im.platforms {
				t.images[ref+" "+p.String()] = p.manifest.Digest()
				if im.core {
					t.images[im.name+"-"+p.Architecture+":"+im.tag] = p.manifest.Digest()
					t.images[im.name+"-"+p.Architecture+":"+im.tag+" "+p.String()] = p.manifest.Digest()
				}
			}
		}
		for _, f := range r.files {
			t.file(FileURL(version, f.path), f.body)
		}
		if len(r.files) > 0 {
			none := func(string, string) bool { return false }
			t.file(FileURL(version, "kubernetes-release.spdx"), r.sbom(none))
			t.file(FileURL(version, "kubernetes-source.spdx"), r.sourceSBOM())
		}
	}
	for ref, digest := range w.tags { // files in the registry, which are built with the world
		if strings.HasPrefix(ref, "security-profiles-operator/") && !strings.HasSuffix(ref, ".sig") {
			t.images[ref] = digest
			t.child(w, ref, digest)
		}
	}
	return t
}

// child takes in the platforms of an index that is no release's.
func (t *Truth) child(w *World, ref, digest string) {
	repo, _, _ := splitRef(ref)
	var list struct {
		Manifests []descriptor `json:"manifests"`
	}
	must(json.Unmarshal(w.manifests[repo+"@"+digest].Body, &list))
	for _, d := range list.Manifests {
		t.images[ref+" "+d.Platform.String()] = d.Digest
	}
}

// String is "os/arch[/variant][:os.version]".
func (p platform) String() string {
	s := p.OS + "/" + p.Architecture
	if p.Variant != "" {
		s += "/" + p.Variant
	}
	if p.OSVersion != "" {
		s += ":" + p.OSVersion
	}
	return s
}

// Image is the digest that was released under "name:tag", of its index or, with a
// platform such as "linux/amd64", of that platform; empty if nothing was.
func (t *Truth) Image(ref, platform string) string {
	return t.images[strings.TrimSpace(strings.TrimPrefix(ref, HostRegistry+"/")+" "+platform)]
}

// Platforms are the digests of an image's platforms.
func (t *Truth) Platforms(ref string) map[string]string {
	out := map[string]string{}
	for key, digest := range t.images {
		if rest, ok := strings.CutPrefix(key, ref+" "); ok {
			out[rest] = digest
		}
	}
	return out
}

// Ever says whether a digest was released under the image's name in any version, as
// an index or, with a platform, as that one. A signature proves that much alone.
func (t *Truth) Ever(name, platform, digest string) bool {
	name = strings.TrimPrefix(name, HostRegistry+"/")
	for key, d := range t.images {
		ref, p, _ := strings.Cut(key, " ")
		if n, _, _ := strings.Cut(ref, ":"); d == digest && n == name && p == platform {
			return true
		}
	}
	return false
}

func (t *Truth) file(url string, body []byte) {
	t.files[canonicalKey(url)] = hexSHA256(body)
	t.longer[hexSHA512(body)] = hexSHA256(body)
}

// File is the hex SHA-256 of what was released at a URL, by whichever of its
// documented addresses; empty if nothing was.
func (t *Truth) File(url string) string { return t.files[canonicalKey(url)] }

// FileIs lists the canonical URLs, without their scheme, at which bytes of that digest
// were released: "sha256:<hex>" or "sha512:<hex>".
func (t *Truth) FileIs(digest string) (urls []string) {
	kind, hex, _ := strings.Cut(digest, ":")
	if kind == "sha512" {
		hex = t.longer[hex]
	}
	for at, sum := range t.files {
		if sum == hex && hex != "" {
			urls = append(urls, at)
		}
	}
	return urls
}

// At says whether bytes of that digest were released at a URL.
func (t *Truth) At(url, digest string) bool {
	return slices.Contains(t.FileIs(digest), canonicalKey(url))
}

func (w *World) releasedImage(ref string) (im *image) {
	name, tag, _ := splitRef(ref)
	for _, r := range w.releases {
		for _, im := range r.images {
			if im.name == name && im.tag == tag {
				return im
			}
		}
	}
	return nil
}

// Released gives the documents of an image as it was released: its index, and for each
// platform its manifest and its config. It is empty for what no release has.
func (w *World) Released(ref string) (index []byte, manifests, configs map[string][]byte) {
	im := w.releasedImage(ref)
	if im == nil {
		return nil, nil, nil
	}
	manifests, configs = map[string][]byte{}, map[string][]byte{}
	for _, p := range im.platforms {
		manifests[p.String()], configs[p.String()] = p.manifest.Body, p.config
	}
	return im.list.Body, manifests, configs
}
