package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/trust"
	"github.com/kverify/kverify/pkg/verify"
)

const (
	repository = "github.com/kubernetes/k8s.io"
	// maxManifest caps a promotion manifest; the largest has 1.4 MB.
	maxManifest = 8 << 20
)

// A document is one promotion manifest, or an extract of one.
type document struct {
	source    trust.CatalogueSource
	project   string // "k8s-staging-kubernetes"
	promotion *release.Promotion
}

func parse(id, project, commit string, body []byte) (document, error) {
	p, err := release.ParsePromotion(body)
	if err != nil {
		return document{}, fmt.Errorf("%s: %w", id, err)
	}
	sum := sha256.Sum256(body)
	return document{trust.CatalogueSource{
		ID: id, Repository: repository, Path: pathOf(project), Commit: commit, Digest: oci.FromHex(hex.EncodeToString(sum[:])),
	}, project, p}, nil
}

func pathOf(project string) string { return "registry.k8s.io/images/" + project + "/images.yaml" }

// projects are the staging projects whose manifests list the images of a
// release and of kubeadm.
var projects = []string{"k8s-staging-kubernetes", "k8s-staging-etcd", "k8s-staging-coredns"}

// fromDir reads the promotion manifests of a directory, or extracts of them.
// A file's name begins with its project, "k8s-staging-kubernetes.kube-proxy.yaml".
func fromDir(dir string) ([]document, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil || len(names) == 0 {
		return nil, errors.Join(fmt.Errorf("%s holds no promotion manifest (*.yaml)", dir), err)
	}
	slices.Sort(names)
	var out []document
	for _, name := range names {
		body, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		id := strings.TrimSuffix(filepath.Base(name), ".yaml")
		project, _, _ := strings.Cut(id, ".")
		if !slices.Contains(projects, project) {
			return nil, fmt.Errorf("%s: its name does not begin with one of %s", name, strings.Join(projects, ", "))
		}
		d, err := parse(id, project, "unrecorded", body)
		if err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, nil
}

// fromCommit reads the promotion manifests of one commit, each from its publisher.
func fromCommit(ctx context.Context, c *fetch.Client, commit string) ([]document, error) {
	var out []document
	for _, project := range projects {
		url := "https://raw.githubusercontent.com/kubernetes/k8s.io/" + commit + "/" + pathOf(project)
		resp, err := c.Get(ctx, url, maxManifest)
		if err != nil {
			return nil, err
		}
		if resp.Origin != fetch.Published {
			return nil, fmt.Errorf("%s: not read over verified https from its publisher", url)
		}
		d, err := parse(project, project, commit, resp.Body)
		if err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, nil
}

// generate chooses the rows. Of the images that are built with a release it
// takes every version since v1.24, with the children that are listed under
// <image>-<arch>. Of pause, etcd and coredns it takes what kubeadm of a minor
// uses that the former cover; other tags of those belong to releases that this
// catalogue knows nothing of.
func generate(p *trust.Policy, documents []document) (*trust.Catalogue, error) {
	var sources []trust.CatalogueSource
	var rows []trust.CatalogueRow
	minors := map[int]bool{}
	for _, d := range documents {
		sources = append(sources, d.source)
		if d.project != "k8s-staging-kubernetes" {
			continue
		}
		for _, name := range d.promotion.Images() {
			rows = append(rows, core(p, d, name, minors)...)
		}
	}
	for minor := range minors {
		tags, _ := p.KubeadmImages(minor)
		for image, tag := range tags {
			for _, d := range documents {
				if !strings.HasSuffix(release.PromotionURL(image), "/"+pathOf(d.project)) {
					continue
				}
				for _, digest := range d.promotion.Digests(release.PromotionName(image), tag) {
					for _, t := range d.promotion.Tags(release.PromotionName(image), digest) {
						rows = append(rows, trust.CatalogueRow{Image: image, Tag: t, Platform: trust.IndexRow, Digest: digest, Source: d.source.ID})
					}
				}
			}
		}
	}
	sources = slices.DeleteFunc(sources, func(s trust.CatalogueSource) bool {
		return !slices.ContainsFunc(rows, func(r trust.CatalogueRow) bool { return r.Source == s.ID })
	})
	return trust.NewCatalogue(sources, rows)
}

// core returns the rows of one name in the manifest of the release's own images.
func core(p *trust.Policy, d document, name string, minors map[int]bool) (rows []trust.CatalogueRow) {
	for digest, tags := range d.promotion.All(name) {
		for _, tag := range tags {
			v, err := release.ParseVersion(tag)
			if err != nil || v.Major != 1 || !strings.HasPrefix(tag, "v") {
				continue
			}
			images, arches, ok := p.MinimumImages(v.Minor)
			if !ok {
				continue
			}
			row := trust.CatalogueRow{Image: name, Tag: tag, Platform: trust.IndexRow, Digest: digest, Source: d.source.ID}
			for _, a := range arches {
				if base, ok := strings.CutSuffix(name, "-"+a); ok {
					row.Image, row.Platform = base, "linux/"+a
				}
			}
			if slices.Contains(images, row.Image) {
				minors[v.Minor] = true
				rows = append(rows, row)
			}
		}
	}
	return rows
}

// confirm holds the rows against the signed SBOM of each release that has one:
// every image and architecture that the SBOM names must have a row. A release
// without a usable SBOM is said and kept: its rows rest on the manifest alone.
func confirm(ctx context.Context, v *verify.Verifier, c *trust.Catalogue, say io.Writer) error {
	since, err := release.ParseVersion(trust.EmbeddedPolicy().Files.SignedSince)
	if err != nil {
		return err
	}
	var wrong []error
	done := map[string]bool{}
	for _, r := range c.Rows() {
		version, err := release.ParseVersion(r.Tag)
		if err != nil || !strings.HasPrefix(r.Image, "kube-") || version.Compare(since) < 0 || done[r.Tag] {
			continue
		}
		done[r.Tag] = true
		s, err := v.SBOM(ctx, version)
		if err != nil {
			return err
		}
		if s.Verdict() != report.Verified {
			fmt.Fprintf(say, "%s: no usable signed SBOM (signature: %s; binding: %s)\n", version, s.Signature.Detail, s.Binding.Detail)
			if s.Verdict() == report.Refuted {
				wrong = append(wrong, fmt.Errorf("%s: its SBOM is refuted", version))
			}
			continue
		}
		images, err := release.SBOMImages(s.Document, version)
		if err != nil {
			return fmt.Errorf("%s: %w", version, err)
		}
		for _, im := range images {
			for _, arch := range im.Arches() {
				if _, ok := c.Row(im.Name, version.String(), "linux/"+arch); !ok {
					wrong = append(wrong, fmt.Errorf("%s: the signed SBOM names %s for %s, the promotion manifest does not", version, im.Name, arch))
				}
			}
		}
	}
	return errors.Join(wrong...)
}
