package release

import (
	"slices"
	"strings"

	"github.com/kverify/kverify/pkg/sbom"
)

// The release's SBOM names each image's archive by version, image and
// architecture, as sigs.k8s.io/bom writes it:
//
//	SPDXRef-Package-registry.k8s.io-kube-proxy-arm64-v1.27.2
//
// and each layer of it by that id, "-sha256-", and 64 hexadecimal digits. Ids
// are built from what was asked for and compared; none is taken apart to learn
// what it speaks of.
const (
	imageIDPrefix = "SPDXRef-Package-registry.k8s.io-"
	layerIDInfix  = "-sha256-"
	sbomName      = "SBOM"
)

// A release has some 150 packages, and its images up to ten layers. Beyond these
// a document was made to be slow to read.
const (
	maxPackages = 20_000
	maxLayers   = 128
)

// A NoEntryError says that the SBOM has no usable entry for a subject. Up to
// about v1.25 image packages bear other names and cannot be told apart.
type NoEntryError struct {
	Version string
	Subject string // an image, a path, or an SPDX id
	Why     string
}

func (e *NoEntryError) Error() string {
	return "the SBOM of " + e.Version + " has no usable entry for " + quote(e.Subject) + ": " + e.Why
}

func imageID(v Version, image, arch string) string {
	return imageIDPrefix + image + "-" + arch + "-" + v.String()
}

// CheckSBOM reports whether doc speaks for exactly v: its DocumentName is
// "Kubernetes Release v1.27.2", its DocumentNamespace is the URL of that
// version's SBOM, every id that has the form of a release image names v and a
// known architecture, and so do the package names that older releases have
// instead. What names another version is a [*WrongVersionError]; an id that
// cannot be read is a [*FormatError]; two images of one id, or two layers of
// one id that differ, are an [*AmbiguousError].
func CheckSBOM(doc *sbom.Document, v Version) error {
	if doc == nil {
		return &FormatError{Document: sbomName, Why: "it is missing"}
	}
	const namePrefix = "Kubernetes Release "
	if doc.Name != namePrefix+v.String() {
		return &WrongVersionError{sbomName, "DocumentName", v.String(), strings.TrimPrefix(doc.Name, namePrefix)}
	}
	if doc.Namespace != v.SBOMURL() {
		return &WrongVersionError{sbomName, "DocumentNamespace", v.String(), doc.Namespace}
	}
	if len(doc.Packages) > maxPackages {
		return &LimitError{sbomName, "packages", maxPackages}
	}
	seen := map[string]sbom.Package{}
	for _, p := range doc.Packages {
		if err := checkImagePackage(p, v); err != nil {
			return err
		}
		if !strings.HasPrefix(p.ID, imageIDPrefix) {
			continue
		}
		if q, twice := seen[p.ID]; twice && !sameLayer(p, q) {
			return &AmbiguousError{sbomName, p.ID, [2]string{entryText(q), entryText(p)}}
		}
		seen[p.ID] = p
	}
	return nil
}

// sameLayer reports whether two packages of one id are one layer that the image
// has twice: the archive's tool then writes it twice. An image has no such excuse.
func sameLayer(p, q sbom.Package) bool {
	return strings.Contains(p.ID, layerIDInfix) && p.Checksums == q.Checksums
}

func entryText(p sbom.Package) string { return p.Name + " sha256:" + p.SHA256 }

// checkImagePackage holds a package that looks like an image or a layer of one
// to the version v.
func checkImagePackage(p sbom.Package, v Version) error {
	for _, host := range []string{registryHost + "/", oldRegistryHost + "/"} {
		name, ok := strings.CutPrefix(p.Name, host)
		if _, tag, tagged := strings.Cut(name, ":"); ok && tagged && tag != v.String() {
			return &WrongVersionError{sbomName, "package " + quote(p.Name), v.String(), tag}
		}
	}
	rest, ok := strings.CutPrefix(p.ID, imageIDPrefix)
	if !ok {
		return nil
	}
	id, layer, hasLayer := strings.Cut(rest, layerIDInfix)
	if _, _, ok := splitImageID(id, v); ok && (!hasLayer || layer != "") {
		return nil
	}
	if got := namedVersion(id); got != "" && got != v.String() {
		return &WrongVersionError{sbomName, "package " + quote(p.ID), v.String(), got}
	}
	return &FormatError{Document: sbomName, Why: "package id " + quote(p.ID) + " is neither an image of " + v.String() + " nor a layer of one"}
}

// splitImageID finds the image and architecture whose id, built for v, is
// exactly the one that rest was cut from. No architecture's name ends in
// another's behind a dash, so there is at most one.
func splitImageID(rest string, v Version) (image, arch string, ok bool) {
	base, ok := strings.CutSuffix(rest, "-"+v.String())
	if !ok {
		return "", "", false
	}
	for _, arch := range Arches {
		image, ok := strings.CutSuffix(base, "-"+arch)
		if ok && imageName(image) && imageIDPrefix+rest == imageID(v, image, arch) {
			return image, arch, true
		}
	}
	return "", "", false
}

// namedVersion finds the version at the end of an id, for an error message.
func namedVersion(id string) string {
	for i := range len(id) {
		if !strings.HasPrefix(id[i:], "-v") {
			continue
		}
		if w, err := ParseVersion(id[i+1:]); err == nil {
			return w.String()
		}
	}
	return ""
}

// SBOMImages lists the images that doc has for v, sorted by name, each with
// its platforms sorted. It checks doc as [CheckSBOM] does. A document without
// one image in the form that can be read is a [*NoEntryError].
func SBOMImages(doc *sbom.Document, v Version) ([]Image, error) {
	if err := CheckSBOM(doc, v); err != nil {
		return nil, err
	}
	platforms := map[string][]string{}
	for _, p := range doc.Packages {
		if rest, ok := strings.CutPrefix(p.ID, imageIDPrefix); ok {
			if image, arch, ok := splitImageID(rest, v); ok {
				platforms[image] = append(platforms[image], linux(arch))
			}
		}
	}
	if len(platforms) == 0 {
		return nil, &NoEntryError{v.String(), "any image", "no package id has the form " + imageIDPrefix + "NAME-ARCH-" + v.String()}
	}
	images := make([]Image, 0, len(platforms))
	for name, list := range platforms {
		slices.Sort(list)
		images = append(images, Image{Registry: registryHost, Name: name, Tag: v.String(), Platforms: list})
	}
	sortImages(images)
	return images, nil
}

// SBOMLayers returns the sha256 of every layer that doc has for that image and
// architecture ("kube-proxy", "arm64") of v, in 64 hexadecimal digits and the
// order in which the document joins them to the image. They are the layers'
// PackageChecksums: their names and ids may say something else. A layer that
// is joined twice is listed twice.
//
// doc must have passed [CheckSBOM] for v. An image or layer without exactly
// one entry is a [*NoEntryError] or an [*AmbiguousError]; so is one without layers.
func SBOMLayers(doc *sbom.Document, v Version, image, arch string) ([]string, error) {
	id := imageID(v, image, arch)
	if _, err := onePackage(doc, v, id); err != nil {
		return nil, err
	}
	var layers []string
	for _, r := range doc.Relationships {
		if r.From != id || r.Type != "CONTAINS" || !strings.HasPrefix(r.To, id+layerIDInfix) {
			continue
		}
		layer, err := onePackage(doc, v, r.To)
		if err != nil {
			return nil, err
		}
		if !isHex(layer.SHA256, sha256Hex) {
			return nil, &NoEntryError{v.String(), r.To, "the layer has no sha256 checksum"}
		}
		if layers = append(layers, layer.SHA256); len(layers) > maxLayers {
			return nil, &LimitError{sbomName, "layers of one image", maxLayers}
		}
	}
	if len(layers) == 0 {
		return nil, &NoEntryError{v.String(), image + " " + arch, "no layer is joined to it"}
	}
	return layers, nil
}

// SBOMArchive returns the sha256 and sha512 of the docker archive of that image
// and architecture. It is also published as bin/linux/ARCH/IMAGE.tar, but for
// conformance; the provenance of v1.23.0-alpha.4 gives both one hash.
func SBOMArchive(doc *sbom.Document, v Version, image, arch string) (sha256, sha512 string, err error) {
	p, err := onePackage(doc, v, imageID(v, image, arch))
	if err != nil {
		return "", "", err
	}
	return bothSums(v, p.ID, p.Checksums)
}

func bothSums(v Version, subject string, sums sbom.Checksums) (sha256, sha512 string, err error) {
	if !isHex(sums.SHA256, sha256Hex) || !isHex(sums.SHA512, sha512Hex) {
		return "", "", &NoEntryError{v.String(), subject, "its sha256 or sha512 is missing or malformed"}
	}
	return sums.SHA256, sums.SHA512, nil
}

// onePackage returns the only package of that id; for a layer, which may stand
// there more than once, all of its entries must agree.
func onePackage(doc *sbom.Document, v Version, id string) (*sbom.Package, error) {
	var found *sbom.Package
	for i := range doc.Packages {
		switch p := &doc.Packages[i]; {
		case p.ID != id:
		case found == nil:
			found = p
		case !sameLayer(*found, *p):
			return nil, &AmbiguousError{sbomName, id, [2]string{entryText(*found), entryText(*p)}}
		}
	}
	if found == nil {
		return nil, &NoEntryError{v.String(), id, "no package has that id"}
	}
	return found, nil
}

// SBOMImageNames lists the images of a release's SBOM one per architecture, in
// the document's order, byte for byte as the pipeline in Kubernetes'
// documentation prints them ("registry.k8s.io/kube-proxy-arm64:v1.27.2"):
//
//	grep "SPDXID: SPDXRef-Package-registry.k8s.io" | grep -v sha256 |
//	  cut -d- -f3- | sed 's/-/\//' | sed 's/-v1/:v1/'
//
// It is a listing for people and scripts; nothing is proved by it.
func SBOMImageNames(doc *sbom.Document) []string {
	var names []string
	for _, p := range doc.Packages {
		id, ok := strings.CutPrefix(p.ID, "SPDXRef-Package-")
		if !ok || !strings.HasPrefix(id, "registry.k8s.io") || strings.Contains(id, "sha256") {
			continue
		}
		id = strings.Replace(id, "-", "/", 1)
		names = append(names, strings.Replace(id, "-v1", ":v1", 1))
	}
	return names
}

// DiffSBOM compares the SBOMs of two versions. Where a name or id holds its own
// document's version, "VERSION" stands instead, so that what both have is not
// reported as gone and come.
func DiffSBOM(a *sbom.Document, av Version, b *sbom.Document, bv Version) sbom.Delta {
	return sbom.Diff(a.Replace(av.String(), "VERSION"), b.Replace(bv.String(), "VERSION"))
}

// SBOMVersion returns the version that doc's name says it speaks for; whether
// it does, [CheckSBOM] says.
func SBOMVersion(doc *sbom.Document) (Version, error) {
	name, ok := strings.CutPrefix(doc.Name, "Kubernetes Release ")
	if !ok {
		return Version{}, &FormatError{Document: sbomName, Why: "its name " + quote(doc.Name) + " is not that of a Kubernetes release"}
	}
	return ParseVersion(name)
}
