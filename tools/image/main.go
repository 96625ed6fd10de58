// Command image makes the container image of a release, and the SBOMs of its programs
// in SPDX 2.3, with ko as a library: no daemon and no registry takes part. make dist runs
// it, after tools/dist has built the programs of which it takes version and time.
//
// The image holds the static program and the certificates of Mozilla's program, and runs
// as no one. Certificates come from a Go module, so that go.sum fixes them too.
package main

import (
	"archive/tar"
	"bytes"
	"context"
	"debug/buildinfo"
	"encoding/pem"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/ko/pkg/build"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

const (
	defaultPlatforms = "linux/amd64,linux/arm64,linux/arm/v7,linux/ppc64le,linux/s390x"
	// user is nobody: as in distroless images, beyond what any system gives away.
	user    = "65532:65532"
	kverify = "github.com/kverify/kverify/cmd/kverify"
	// certificates is where crypto/x509 looks first on Linux.
	certificates = "etc/ssl/certs/ca-certificates.crt"
	// baseName is what annotations call the layer of certificates; .invalid (RFC 2606)
	// says that it can be fetched nowhere.
	baseName = "mozilla.invalid/ca-certificates"
)

func main() {
	root := flag.String("C", "../..", "the project's `DIR`")
	out := flag.String("o", "../../dist", "the release's `DIR`, in which tools/dist has built bin/linux_amd64/kverify")
	platforms := flag.String("platforms", defaultPlatforms, "`LIST` of what the image is for; what is not Linux is left out")
	flag.Parse()
	log.SetOutput(io.Discard) // ko says what it does, and errors are returned
	if err := run(context.Background(), *root, *out, linux(*platforms)); err != nil {
		fmt.Fprintf(os.Stderr, "image: %v\n", err)
		os.Exit(1)
	}
}

// linux are the platforms of a list that an image can be for, with Arm's version.
func linux(list string) (out []string) {
	for p := range strings.SplitSeq(list, ",") {
		if p == "linux/arm" {
			p += "/v7"
		}
		if strings.HasPrefix(p, "linux/") {
			out = append(out, p)
		}
	}
	return out
}

// made is what the Go tool wrote into the release's program.
type made struct {
	version, revision string
	time              time.Time
}

// plain is the version without its v, as in the names of files and tags.
func (m made) plain() string { return strings.TrimPrefix(m.version, "v") }

func readMade(program string) (m made, err error) {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return m, fmt.Errorf("%w; run make dist, which builds it first", err)
	}
	m.version = info.Main.Version
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			m.revision = s.Value
		case "vcs.time":
			m.time, err = time.Parse(time.RFC3339, s.Value)
		}
	}
	return m, err
}

func run(ctx context.Context, root, out string, platforms []string) error {
	is, err := readMade(filepath.Join(out, "bin", "linux_amd64", "kverify"))
	if err != nil {
		return err
	}
	sboms, err := os.MkdirTemp("", "kverify-sbom-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(sboms)
	image, err := makeImage(ctx, root, sboms, is, platforms)
	if err != nil {
		return err
	}
	prefix := filepath.Join(out, "kverify_"+is.plain())
	if err := copySBOMs(sboms, prefix); err != nil {
		return err
	}
	return writeLayout(prefix+"_image.tar", image, is)
}

// makeImage builds the program for every platform, as tools/dist does, and lays it on the
// certificates.
func makeImage(ctx context.Context, root, sboms string, is made, platforms []string) (build.Result, error) {
	for _, e := range []string{"GOFLAGS", "GOEXPERIMENT", "GOFIPS140", "GOAMD64", "GOARM64", "GOARM", "GOPPC64", "KOCACHE", "KO_GO_PATH"} {
		os.Unsetenv(e) // as tools/dist: nothing of the caller's changes the program
	}
	os.Setenv("GOWORK", "off")
	created := v1.Time{Time: is.time}
	options := []build.Option{
		build.WithPlatforms(platforms...), build.WithBaseImages(base(is.time, platforms)), build.WithUser(user),
		build.WithTrimpath(true), build.WithDefaultFlags([]string{"-buildvcs=true"}), build.WithDefaultLdflags([]string{"-s", "-w"}),
		build.WithCreationTime(created), build.WithKoDataCreationTime(created),
		build.WithSPDX(koVersion()), build.WithSBOMDir(sboms), build.WithJobs(1),
	}
	for k, v := range labels(is) {
		options = append(options, build.WithLabel(k, v))
	}
	b, err := build.NewGo(ctx, root, options...)
	if err != nil {
		return nil, err
	}
	return b.Build(ctx, build.StrictScheme+kverify)
}

// koVersion is what an SBOM says it was written by.
func koVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(unknown)"
	}
	for _, m := range info.Deps {
		if m.Path == "github.com/google/ko" {
			return m.Version
		}
	}
	return "(unknown)"
}

// labels are the OCI image-spec's predefined annotation keys (annotations.md).
func labels(is made) map[string]string {
	const key = "org.opencontainers.image."
	return map[string]string{
		key + "title":       "kverify",
		key + "description": "One verdict for one Kubernetes version",
		key + "licenses":    "Apache-2.0",
		key + "source":      "https://github.com/kverify/kverify",
		key + "version":     is.plain(),
		key + "revision":    is.revision,
		key + "created":     is.time.UTC().Format(time.RFC3339),
	}
}

// base answers ko's question for a base image: certificates and nothing else, for
// every platform.
func base(at time.Time, platforms []string) build.GetBase {
	return func(context.Context, string) (name.Reference, build.Result, error) {
		ref, err := name.ParseReference(baseName)
		if err != nil {
			return nil, nil, err
		}
		layer, err := certificateLayer(at)
		if err != nil {
			return nil, nil, err
		}
		index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
		for _, p := range platforms {
			platform, err := v1.ParsePlatform(p)
			if err != nil {
				return nil, nil, err
			}
			image, err := onPlatform(layer, platform, at)
			if err != nil {
				return nil, nil, err
			}
			index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: image, Descriptor: v1.Descriptor{Platform: platform}})
		}
		return ref, index, nil
	}
}

func onPlatform(layer v1.Layer, p *v1.Platform, at time.Time) (v1.Image, error) {
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err := mutate.Append(image, mutate.Addendum{
		Layer: layer, MediaType: types.OCILayer,
		History: v1.History{Created: v1.Time{Time: at}, CreatedBy: "tools/image", Comment: "certificates of Mozilla's program"},
	})
	if err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Variant = p.OS, p.Architecture, p.Variant
	config.Config.WorkingDir = "/"
	return mutate.ConfigFile(image, config)
}

// certificateLayer has every root without a constraint: what has one, x509 cannot be
// told by a file of PEM.
func certificateLayer(at time.Time) (v1.Layer, error) {
	var roots, layer bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint != nil {
			continue
		}
		if err := pem.Encode(&roots, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}); err != nil {
			return nil, err
		}
	}
	w := tar.NewWriter(&layer)
	for _, dir := range []string{"etc/", "etc/ssl/", "etc/ssl/certs/"} {
		if err := w.WriteHeader(&tar.Header{Name: dir, Typeflag: tar.TypeDir, Mode: 0o755, ModTime: at}); err != nil {
			return nil, err
		}
	}
	if err := addFile(w, certificates, roots.Bytes(), at); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(layer.Bytes())), nil }
	return tarball.LayerFromOpener(open, tarball.WithMediaType(types.OCILayer))
}

func addFile(w *tar.Writer, name string, text []byte, at time.Time) error {
	if err := w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(text)), ModTime: at}); err != nil {
		return err
	}
	_, err := w.Write(text)
	return err
}
