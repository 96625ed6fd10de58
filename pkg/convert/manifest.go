package convert

import (
	"errors"
	"fmt"
)

// The media types of Docker's image manifest version 2, schema 2, and of OCI's image specification.
const (
	dockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	dockerList     = "application/vnd.docker.distribution.manifest.list.v2+json"
	dockerConfig   = "application/vnd.docker.container.image.v1+json"
	dockerLayer    = "application/vnd.docker.image.rootfs.diff.tar.gzip"
	dockerForeign  = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
	dockerUnpacked = "application/vnd.docker.image.rootfs.diff.tar"
	ociManifest    = "application/vnd.oci.image.manifest.v1+json"
	ociIndex       = "application/vnd.oci.image.index.v1+json"
	ociConfig      = "application/vnd.oci.image.config.v1+json"
	ociLayer       = "application/vnd.oci.image.layer.v1.tar+gzip"
	ociForeign     = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
)

// wholeForms are the forms of a manifest and of an index.
var wholeForms = []struct {
	name      string
	mediaType bool
}{
	{"containers/image (image-spec 1.0.1)", false},
	{"containers/image (image-spec 1.0.2)", true},
}

// errConfig is for what does not belong together.
var errConfig = errors.New("the config is computed from another one than the manifest names")

// Manifests computes what containers/image writes in place of a Docker schema 2
// manifest, around a config that [Configs] computed from the one that the manifest
// names: one with a media type, and one without, as before November 2021. There
// are none where nothing is converted (the manifest is OCI already) or where the
// result cannot be known (a layer is not packed, and will be). The error is an [*Error].
func Manifests(genuine []byte, config Derived) ([]Derived, error) {
	const what = "the image's manifest"
	var m manifest
	if err := decodeDocument(genuine, what, &m); err != nil {
		return nil, err
	}
	if m.MediaType == ociManifest {
		return nil, nil
	}
	if err := m.check(config); err != nil {
		return nil, &Error{what, err}
	}
	converted := manifest{
		SchemaVersion: 2,
		Config:        descriptor{MediaType: ociConfig, Digest: config.Digest, Size: int64(len(config.Bytes))},
		Layers:        make([]descriptor, len(m.Layers)),
	}
	for i, l := range m.Layers {
		var to string
		switch l.MediaType {
		case dockerLayer:
			to = ociLayer
		case dockerForeign:
			to = ociForeign
		case dockerUnpacked:
			return nil, nil
		default:
			return nil, &Error{what, fmt.Errorf("layer %d has the type %.80q", i+1, l.MediaType)}
		}
		if !l.Digest.IsSHA256() || l.Size < 0 {
			return nil, &Error{what, fmt.Errorf("layer %d has the digest %.80q and the size %d", i+1, l.Digest, l.Size)}
		}
		converted.Layers[i] = descriptor{MediaType: to, Digest: l.Digest, Size: l.Size, URLs: l.URLs}
	}
	return whole(genuine, what, func(f string) any {
		converted.MediaType = f
		return converted
	}, ociManifest)
}

func (m manifest) check(config Derived) error {
	switch {
	case m.SchemaVersion != 2 || m.MediaType != dockerManifest:
		return fmt.Errorf("schemaVersion %d and mediaType %.80q are not those of Docker's schema 2", m.SchemaVersion, m.MediaType)
	case m.Config.MediaType != dockerConfig:
		return fmt.Errorf("its config has the type %.80q", m.Config.MediaType)
	case m.Config.Digest != config.From:
		return errConfig
	}
	return nil
}

// Indexes computes what containers/image writes in place of a Docker manifest
// list when it copies every image of it (skopeo copy --all), from the manifests
// that [Manifests] computed, one for each entry of Docker's type, in any order.
// An entry that is an OCI manifest already stays as it is. One index has a media
// type, one has none, as before November 2021, when its manifests had none
// either. There are none where the index is OCI already. The error is an [*Error].
func Indexes(genuine []byte, manifests []Derived) ([]Derived, error) {
	const what = "the image's manifest list"
	var list index
	if err := decodeDocument(genuine, what, &list); err != nil {
		return nil, err
	}
	if list.MediaType == ociIndex {
		return nil, nil
	}
	if list.SchemaVersion != 2 || list.MediaType != dockerList {
		return nil, &Error{what, fmt.Errorf("schemaVersion %d and mediaType %.80q are not those of Docker's manifest list", list.SchemaVersion, list.MediaType)}
	}
	by := map[string]Derived{}
	for _, m := range manifests {
		if have, twice := by[string(m.From)]; twice && have.Digest != m.Digest {
			return nil, &Error{what, fmt.Errorf("two converted manifests were given for %.80s", m.From)}
		}
		by[string(m.From)] = m
	}
	converted := index{SchemaVersion: 2, Manifests: make([]descriptor, len(list.Manifests))}
	for i, e := range list.Manifests {
		to, err := e.converted(by)
		if err != nil {
			return nil, &Error{what, fmt.Errorf("entry %d: %w", i+1, err)}
		}
		converted.Manifests[i] = to
	}
	return whole(genuine, what, func(f string) any {
		converted.MediaType = f
		return converted
	}, ociIndex)
}

// converted is the entry of the converted index that stands for this one.
func (e descriptor) converted(by map[string]Derived) (descriptor, error) {
	to := descriptor{MediaType: e.MediaType, Digest: e.Digest, Size: e.Size, URLs: e.URLs, Platform: e.Platform}
	if to.Platform == nil {
		to.Platform = new(platform)
	}
	switch e.MediaType {
	case ociManifest:
		if !e.Digest.IsSHA256() || e.Size < 0 {
			return to, fmt.Errorf("it has the digest %.80q and the size %d", e.Digest, e.Size)
		}
	case dockerManifest:
		m, ok := by[string(e.Digest)]
		if !ok {
			return to, fmt.Errorf("the converted manifest of %.80q is not given", e.Digest)
		}
		to.MediaType, to.Digest, to.Size = ociManifest, m.Digest, int64(len(m.Bytes))
	default:
		return to, fmt.Errorf("its type is %.80q", e.MediaType)
	}
	return to, nil
}

// whole encodes a manifest or index in its forms.
func whole(genuine []byte, what string, of func(mediaType string) any, mediaType string) ([]Derived, error) {
	var out []Derived
	for _, f := range wholeForms {
		given := mediaType
		if !f.mediaType {
			given = ""
		}
		d, err := derive(f.name, genuine, of(given))
		if err != nil {
			return nil, &Error{what, err}
		}
		if !f.mediaType {
			d.Dropped = without(d.Dropped, "mediaType")
		}
		out = append(out, d)
	}
	return out, nil
}

// without leaves out the member that the form never has.
func without(list []string, name string) []string {
	var out []string
	for _, s := range list {
		if s != name {
			out = append(out, s)
		}
	}
	return out
}
