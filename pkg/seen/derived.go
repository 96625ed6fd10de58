package seen

import (
	"context"
	"fmt"

	"github.com/kverify/kverify/pkg/convert"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/sight"
)

// words says which form it is, after "the genuine one"; nothing for the genuine bytes themselves.
func (d *derived) words() string {
	if d == nil {
		return ""
	}
	s := fmt.Sprintf(" as %s writes it", d.Form)
	if len(d.Dropped) > 0 {
		s += fmt.Sprintf(" (without %s)", list(d.Dropped))
	}
	return s
}

// derive computes what converters write of a platform's config and manifest. What
// cannot be converted has no such form, which is no error.
func (g *genuine) derive() {
	g.derived = nil
	configs, err := convert.Configs(g.config)
	if err != nil {
		return
	}
	for _, c := range configs {
		g.derived = append(g.derived, derived{c, sight.Config})
		manifests, err := convert.Manifests(g.manifest, c)
		if err != nil {
			continue
		}
		for _, m := range manifests {
			g.derived = append(g.derived, derived{m, sight.Manifest})
		}
	}
}

// deriveIndexes computes what converters write of a table's index.
func (s *run) deriveIndexes(ctx context.Context, t *table) (out []derived) {
	var manifests []convert.Derived
	for _, g := range t.platforms {
		for _, d := range g.derived {
			if d.role == sight.Manifest {
				manifests = append(manifests, d.Derived)
			}
		}
	}
	if len(manifests) == 0 || t.index.Digest == "" {
		return nil
	}
	m, err := s.verifier.Registry.Manifest(ctx, registry.Ref{Host: t.ref.Host, Repository: t.ref.Repository, Digest: oci.Digest(t.index.Digest)})
	if err != nil || !m.IsIndex() {
		return nil
	}
	indexes, err := convert.Indexes(m.Body, manifests)
	if err != nil {
		return nil
	}
	for _, d := range indexes {
		out = append(out, derived{d, sight.Index})
	}
	return out
}
