package convert

import (
	"time"

	"github.com/kverify/kverify/pkg/oci"
)

// configForms are the forms of a config, the oldest first. The order of the
// fields is the order of the members that are written.
var configForms = []struct {
	name  string
	empty func() any
}{
	// specs-go/v1 of v1.0.0 to v1.0.2.
	{"containers/image (image-spec 1.0)", func() any { return new(config10) }},
	// v1.1.0-rc1 and -rc2.
	{"containers/image (image-spec 1.1.0-rc1)", func() any { return new(config11rc1) }},
	// Commits between -rc2 and -rc3, as in skopeo 1.9.3 of Debian 12.
	{"containers/image (image-spec after 1.1.0-rc2)", func() any { return new(config11rc2) }},
	// v1.1.0-rc3 to v1.1.1.
	{"containers/image (image-spec 1.1)", func() any { return new(config11) }},
}

type config10 struct {
	Created      *time.Time `json:"created,omitempty"`
	Author       string     `json:"author,omitempty"`
	Architecture string     `json:"architecture"`
	OS           string     `json:"os"`
	Config       run10      `json:"config"`
	RootFS       rootFS     `json:"rootfs"`
	History      []history  `json:"history,omitempty"`
}

type config11rc1 struct {
	Created      *time.Time `json:"created,omitempty"`
	Author       string     `json:"author,omitempty"`
	Architecture string     `json:"architecture"`
	Variant      string     `json:"variant,omitempty"`
	OS           string     `json:"os"`
	OSVersion    string     `json:"os.version,omitempty"`
	OSFeatures   []string   `json:"os.features,omitempty"`
	Config       run10      `json:"config"`
	RootFS       rootFS     `json:"rootfs"`
	History      []history  `json:"history,omitempty"`
}

type config11rc2 struct {
	Created      *time.Time `json:"created,omitempty"`
	Author       string     `json:"author,omitempty"`
	Architecture string     `json:"architecture"`
	Variant      string     `json:"variant,omitempty"`
	OS           string     `json:"os"`
	OSVersion    string     `json:"os.version,omitempty"`
	OSFeatures   []string   `json:"os.features,omitempty"`
	Config       run11      `json:"config"`
	RootFS       rootFS     `json:"rootfs"`
	History      []history  `json:"history,omitempty"`
}

type config11 struct {
	Created      *time.Time `json:"created,omitempty"`
	Author       string     `json:"author,omitempty"`
	Architecture string     `json:"architecture"`
	OS           string     `json:"os"`
	OSVersion    string     `json:"os.version,omitempty"`
	OSFeatures   []string   `json:"os.features,omitempty"`
	Variant      string     `json:"variant,omitempty"`
	Config       run11      `json:"config"`
	RootFS       rootFS     `json:"rootfs"`
	History      []history  `json:"history,omitempty"`
}

// run10 is how the image is run.
type run10 struct {
	User         string              `json:"User,omitempty"`
	ExposedPorts map[string]struct{} `json:"ExposedPorts,omitempty"`
	Env          []string            `json:"Env,omitempty"`
	Entrypoint   []string            `json:"Entrypoint,omitempty"`
	Cmd          []string            `json:"Cmd,omitempty"`
	Volumes      map[string]struct{} `json:"Volumes,omitempty"`
	WorkingDir   string              `json:"WorkingDir,omitempty"`
	Labels       map[string]string   `json:"Labels,omitempty"`
	StopSignal   string              `json:"StopSignal,omitempty"`
}

type run11 struct {
	User         string              `json:"User,omitempty"`
	ExposedPorts map[string]struct{} `json:"ExposedPorts,omitempty"`
	Env          []string            `json:"Env,omitempty"`
	Entrypoint   []string            `json:"Entrypoint,omitempty"`
	Cmd          []string            `json:"Cmd,omitempty"`
	Volumes      map[string]struct{} `json:"Volumes,omitempty"`
	WorkingDir   string              `json:"WorkingDir,omitempty"`
	Labels       map[string]string   `json:"Labels,omitempty"`
	StopSignal   string              `json:"StopSignal,omitempty"`
	ArgsEscaped  bool                `json:"ArgsEscaped,omitempty"`
}

type rootFS struct {
	Type    string       `json:"type"`
	DiffIDs []oci.Digest `json:"diff_ids"`
}

type history struct {
	Created    *time.Time `json:"created,omitempty"`
	CreatedBy  string     `json:"created_by,omitempty"`
	Author     string     `json:"author,omitempty"`
	Comment    string     `json:"comment,omitempty"`
	EmptyLayer bool       `json:"empty_layer,omitempty"`
}

// manifest is an OCI image manifest, of v1.0.0 to v1.1.1; before v1.0.2 it had no media type.
type manifest struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType,omitempty"`
	Config        descriptor   `json:"config"`
	Layers        []descriptor `json:"layers"`
}

// index is an OCI image index, of v1.0.0 to v1.1.1; before v1.0.2 it had no media type.
type index struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType,omitempty"`
	Manifests     []descriptor `json:"manifests"`
}

type descriptor struct {
	MediaType string     `json:"mediaType,omitempty"`
	Digest    oci.Digest `json:"digest"`
	Size      int64      `json:"size"`
	URLs      []string   `json:"urls,omitempty"`
	Platform  *platform  `json:"platform,omitempty"`
}

type platform struct {
	Architecture string   `json:"architecture"`
	OS           string   `json:"os"`
	OSVersion    string   `json:"os.version,omitempty"`
	OSFeatures   []string `json:"os.features,omitempty"`
	Variant      string   `json:"variant,omitempty"`
}
