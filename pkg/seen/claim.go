package seen

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/sight"
	"github.com/kverify/kverify/pkg/trust"
)

// key names the claim's table.
func (c claim) key() string { return c.ref.String() }

// label is the name as it was seen, with the platforms that were said beside it.
func (c claim) label() string {
	return strings.Join(slices.DeleteFunc(append([]string{c.seen, c.platform}, c.listed...), func(s string) bool { return s == "" }), " ")
}

// below is the claim for what an index calls a platform. What the name and the indexes
// above it say stays said.
func (c claim) below(platform string) claim {
	if platform != "" && !strings.HasPrefix(platform, "unknown/") {
		c.listed = append(slices.Clip(c.listed), platform)
	}
	return c
}

// allows says whether a platform may be each one that the claim names. A variant
// and a version of the system are left to the config's digest: one list has them and
// another leaves them out.
func (c claim) allows(os, arch string) bool {
	for _, said := range append([]string{c.platform}, c.listed...) {
		rest, _, _ := strings.Cut(said, ":")
		parts := strings.Split(rest, "/")
		if said != "" && (len(parts) < 2 || parts[0] != os || parts[1] != arch) {
			return false
		}
	}
	return true
}

// classify says whose a name is and, where it is ours, what it is at Kubernetes' own registry.
func (s *run) classify(name string) (standing, registry.Ref) {
	kind, ref := s.judge.Names.Classify(name)
	// k8s.gcr.io is where the same images lay before, and leads to the registry.
	isOwn := strings.HasPrefix(name, s.policy.Images.Registry+"/") || strings.HasPrefix(name, sight.Former+"/")
	return standing{kind, isOwn && kind == sight.Ours}, ref
}

// claimOf makes a claim of a name that is ours, or was mapped to ours.
func (s *run) claimOf(seen string, ref registry.Ref) claim {
	c := claim{seen: seen, ref: ref}
	if image, arch := s.policy.SplitArch(c.ref.Repository); arch != "" {
		c.ref.Repository, c.platform = image, "linux/"+arch
	}
	if c.ref.Tag != "" {
		c.ref.Digest = ""
	}
	return c
}

// NamesOf are the names of a policy: its registry, the images of every release and of
// kubeadm, and the aliases that the caller gives.
func NamesOf(p *trust.Policy, aliases sight.Mapping) sight.Names {
	n := sight.Names{Registry: p.Images.Registry, Architectures: p.Architectures(), Map: aliases}
	for _, row := range p.Inventory {
		n.Inventory = append(n.Inventory, row.Images...)
	}
	for _, row := range p.Kubeadm {
		minor := 0
		if _, err := fmt.Sscanf(row.Minor, "1.%d", &minor); err != nil {
			continue
		}
		tags, _ := p.KubeadmImages(minor)
		n.Inventory = append(n.Inventory, slices.Collect(maps.Keys(tags))...)
	}
	slices.Sort(n.Inventory)
	n.Inventory = slices.Compact(n.Inventory)
	return n
}
