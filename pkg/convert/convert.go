// Package convert computes what a named converter must write from an image's
// genuine bytes. Kubernetes' images are Docker schema 2; tools that write OCI
// only, such as skopeo to "oci:" and podman, rewrite config, manifest and index,
// so that every digest changes while the layers stay. A copy made by one of them
// is proved by equality with what is computed here from signed bytes, and by
// nothing else: the copy itself is never parsed for proof ([Differences] only
// says in what a copy that is not equal differs).
//
// The converter that is known is containers/image, the library in skopeo, podman,
// buildah and CRI-O. It decodes a config into the struct of the image
// specification that it was built with, and encodes that again: members that the
// struct lacks are lost, the others come in the struct's order, and empty ones
// are left out. Over the years that struct had four forms, which are written down
// here as structs of our own (forms.go): the library of today is not a definition of
// what one of 2020 wrote. Sources: containers/image
// internal/image/docker_schema2.go (convertToManifestOCI1, OCIConfig),
// manifest/docker_schema2_list.go and internal/manifest/docker_schema2_list.go
// (ToOCI1Index), manifest/oci.go and oci_index.go (OCI1FromComponents,
// OCI1IndexFromComponents); opencontainers/image-spec specs-go/v1 at v1.0.1,
// v1.0.2, v1.1.0-rc1, -rc2, -rc3 and v1.1.1. Measured with skopeo 1.9.3: see
// testdata/skopeo-1.9.3.txt and test/interop.
//
// What cannot be computed: the manifest that "docker push" builds, around an
// unchanged config, of layers that it packs anew (its digests depend on the
// compressor); the manifest of "podman save --format oci-archive", which packs
// layers anew too (its config is of the forms here); and the copies of an image
// whose layers were not packed, since skopeo packs them. A config with the
// characters U+0008 or U+000C has no form here: Go before 1.22 spells them
// \u0008 and \u000c, and since then \b and \f.
package convert

import (
	"encoding/json"
	"slices"

	"github.com/kverify/kverify/pkg/oci"
)

// Derived is a document that a converter must write.
type Derived struct {
	// Form names the converter, and the oldest of its forms that writes these bytes:
	// "containers/image (image-spec 1.0)".
	Form   string
	Bytes  []byte
	Digest oci.Digest // of Bytes
	// From is the digest of the genuine document that it is computed from, in the same form.
	From oci.Digest
	// Dropped are members that the genuine document has and this one lacks, as paths
	// such as "config.Healthcheck" and "history[].id", sorted; at most [MaxPaths].
	// Members without content (null, "", {}, [], 0, false) do not count.
	Dropped []string
}

// Configs computes what containers/image writes in place of the config of a
// Docker schema 2 image, one for each form whose bytes are different: one for
// most configs, up to four for those with a variant or ArgsEscaped. A derived
// digest stands for every genuine config that derives to it: two that differ in
// dropped members only have one. The error is an [*Error].
func Configs(genuine []byte) ([]Derived, error) {
	const what = "the image's config"
	if err := decodeDocument(genuine, what, nil); err != nil {
		return nil, err
	}
	var out []Derived
	for _, f := range configForms {
		form := f.empty()
		if err := json.Unmarshal(genuine, form); err != nil {
			return nil, &Error{what, err}
		}
		d, err := derive(f.name, genuine, form)
		if err != nil {
			return nil, &Error{what, err}
		}
		if !slices.ContainsFunc(out, func(older Derived) bool { return older.Digest == d.Digest }) {
			out = append(out, d)
		}
	}
	return out, nil
}

// derive encodes a form that was filled from a genuine document.
func derive(name string, genuine []byte, form any) (Derived, error) {
	encoded, err := json.Marshal(form)
	if err != nil {
		return Derived{}, err
	}
	dropped, err := droppedMembers(genuine, encoded)
	if err != nil {
		return Derived{}, err
	}
	return Derived{Form: name, Bytes: encoded, Digest: oci.DigestOf(encoded), From: oci.DigestOf(genuine), Dropped: dropped}, nil
}
