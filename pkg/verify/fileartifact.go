package verify

import (
	"context"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/trust"
)

// A file kept as an OCI artifact is the only layer of a manifest whose config is
// empty (kubernetes-sigs/promo-tools, docs/oci-artifacts.md): what an image's
// config says of it, its annotations say.
const (
	fileType      = "application/vnd.k8s." // PROJECT.FILE.vN follows
	fileLayer     = "application/octet-stream"
	titleName     = "org.opencontainers.image.title"
	emptyConfig   = "application/vnd.oci.empty.v1+json"
	emptyDocument = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a" // {}

	// maxFileLayer caps such a file, which is read as it comes. The first ones
	// have 80 MB.
	maxFileLayer = 2 << 30
)

// isFile says whether a manifest says that it is a file, and no image.
func isFile(img *registry.Image) bool {
	return strings.HasPrefix(img.ArtifactType, fileType) && img.Config.MediaType == emptyConfig
}

// fileIndex returns the type of files that an index says that it holds; empty if
// it is one of images.
func fileIndex(idx *registry.Index) string {
	if strings.HasPrefix(idx.ArtifactType, fileType) {
		return idx.ArtifactType
	}
	for _, d := range idx.Manifests {
		if isPlatform(d) && strings.HasPrefix(d.ArtifactType, fileType) {
			return d.ArtifactType
		}
	}
	return ""
}

// fileCheck judges a manifest as that of a file (rule 33): the layer's digest
// identifies it, and its annotations must agree with the bytes. good is the check
// of the manifest itself.
func (r *run) fileCheck(ctx context.Context, name string, d registry.Descriptor, img *registry.Image, good report.Check) report.Check {
	say := func(v report.Verdict, reason report.Reason, format string, args ...any) report.Check {
		c := r.check(report.Digest, v, reason, format, args...)
		c.Evidence = good.Evidence
		return c
	}
	if r.isImageName(name) {
		return say(report.Refuted, report.Mismatch, "it is a file (%.100q), but %s is the name of an image", img.ArtifactType, name)
	}
	if d.ArtifactType != "" && d.ArtifactType != img.ArtifactType {
		return say(report.Refuted, report.Mismatch, "it is of type %.100q, but the index says %.100q", img.ArtifactType, d.ArtifactType)
	}
	title, sum, err := fileForm(name, img)
	if err != nil {
		return say(report.Unknown, report.Malformed, "it says that it is a file (%.100q), and %v", img.ArtifactType, err)
	}
	layer := img.Layers[0]
	if layer.Size > maxFileLayer {
		return say(report.Unknown, report.Limit, "the file has %d bytes, more than the %d that are read", layer.Size, int64(maxFileLayer))
	}
	body, err := r.registry.OpenBlob(ctx, r.in(name), layer)
	if err != nil {
		return r.failed(report.Digest, fmt.Errorf("the file: %w", err))
	}
	defer func() { _ = body.Close() }()
	h := sha512.New()
	if _, err := io.Copy(h, body); err != nil {
		return r.failed(report.Digest, fmt.Errorf("the file: %w", err))
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != sum {
		return say(report.Refuted, report.Mismatch, "the file is sha512 %.12s..., but its manifest says %.12s...", got, sum)
	}
	c := say(report.Verified, "", "the file %s, %d bytes, hashes to %s and to the sha512 that its manifest says", title, layer.Size, layer.Digest.Short())
	c.Evidence = good.Evidence.Add(report.Evidence{What: "file", Source: name, Digest: string(layer.Digest),
		Fields: map[string]string{"title": title, report.FieldSHA512: sum, "artifactType": img.ArtifactType}})
	return c
}

// fileForm holds such a manifest to its form: the name of the file, and its sha512.
func fileForm(name string, img *registry.Image) (title, sum string, err error) {
	if img.Config.Digest != emptyDocument || img.Config.Size != 2 {
		return "", "", fmt.Errorf("its config is not the empty one")
	}
	if len(img.Layers) != 1 {
		return "", "", fmt.Errorf("it has %d layers, where a file is the only one", len(img.Layers))
	}
	layer := img.Layers[0]
	if layer.MediaType != fileLayer {
		return "", "", fmt.Errorf("its layer is %.100q, not %s", layer.MediaType, fileLayer)
	}
	title = layer.Annotations[titleName]
	of := name[strings.LastIndexByte(name, '/')+1:]
	if rest, ok := strings.CutPrefix(title, of); !ok || strings.ContainsAny(title, "/\\") || len(title) > 255 ||
		strings.ContainsFunc(title, func(c rune) bool { return c <= ' ' || c > '~' }) || rest != "" && !strings.ContainsAny(rest[:1], "._-") {
		return "", "", fmt.Errorf("its title, %.100q, is not a file name of %s", title, of)
	}
	for key, value := range layer.Annotations {
		if !strings.HasPrefix(key, "io.k8s.") || !strings.HasSuffix(key, ".sha512") {
			continue
		}
		if raw, bad := hex.DecodeString(value); bad != nil || len(raw) != sha512.Size || strings.ToLower(value) != value {
			return "", "", fmt.Errorf("%.100q is not a sha512", value)
		}
		if sum != "" && sum != value {
			return "", "", fmt.Errorf("it names two sha512")
		}
		sum = value
	}
	if sum == "" {
		return "", "", fmt.Errorf("it names no sha512 (io.k8s.PROJECT.sha512)")
	}
	return title, sum, nil
}

// isImageName says whether a name is that of an image of a release or of
// kubeadm, in whose place a file is never right.
func (r *run) isImageName(name string) bool {
	name = strings.TrimPrefix(name, "kubernetes/")
	for _, arch := range release.Arches {
		if base, ok := strings.CutSuffix(name, "-"+arch); ok {
			name = base
		}
	}
	return slices.Contains([]string{"pause", "etcd", "coredns", "coredns/coredns"}, name) ||
		slices.ContainsFunc(r.session.Policy.Inventory, func(row trust.InventoryRule) bool { return slices.Contains(row.Images, name) })
}
