// Package trust holds what kverify takes on trust, as data: the [Policy] (who
// must have signed what, under which names, and the least that a release
// holds) and the [Root] (the certificate authorities and logs of Sigstore).
// Both are compiled in and both can be replaced by a file; a report names each
// by its digest.
//
// Reading is strict. Fields that are not known, keys that appear twice and
// values that would loosen a rule by being empty are errors, so that a typing
// mistake never becomes a policy that accepts more than was meant.
package trust

import (
	_ "embed"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/kverify/kverify/pkg/report"
)

//go:embed data/policy.yaml
var policyYAML []byte

// Identity is an exact pair of OIDC issuer and certificate subject (the one
// subject alternative name of a Fulcio certificate).
type Identity struct {
	Issuer  string `json:"issuer"`
	Subject string `json:"subject"`
}

// Policy says what is demanded of a Kubernetes artifact. Take one from
// [EmbeddedPolicy], [LoadPolicy] or [ParsePolicy]; it is not changed afterwards
// and may be shared.
type Policy struct {
	SchemaVersion int                 `json:"schemaVersion"`
	Name          string              `json:"name"`
	Required      []string            `json:"required"`
	Identities    map[string]Identity `json:"identities"`
	Images        ImageRule           `json:"images"`
	Files         FileRule            `json:"files"`

	// Attestations are the rules of the checks promotion, vsa and provenance, by check.
	Attestations map[string]AttestationRule `json:"attestations"`

	Inventory []InventoryRule `json:"inventory"`
	Kubeadm   []KubeadmRule   `json:"kubeadm,omitempty"`
	Rules     []Rule          `json:"rules,omitempty"`
	Incidents []Incident      `json:"incidents,omitempty"`

	// Contents are the programs in images that a release signs as files too: for
	// each image, paths in it, each with its name below bin/linux/ARCH/.
	Contents map[string]map[string]string `json:"contents,omitempty"`

	source report.Source
}

// ImageRule is the part of a Policy that speaks of container images.
type ImageRule struct {
	Registry         string   `json:"registry"` // host name, such as "registry.k8s.io"
	Identity         string   `json:"identity"` // key of Policy.Identities
	Staging          string   `json:"staging"`  // key of Policy.Identities: who signs before promotion
	AlsoSeen         []string `json:"alsoSeen"` // identities that are normal beside it, and prove nothing
	DockerReferences []string `json:"dockerReferences"`
	// Formerly is an identity that once signed in the place of Identity; nil is none.
	Formerly *FormerRule `json:"formerly,omitempty"`
	Regions  []string    `json:"regions"`
}

// FormerRule is an identity that counts for images of the catalogue alone, and
// only where the log's own time lies between two days, both included, in UTC.
type FormerRule struct {
	Identity string `json:"identity"` // key of Policy.Identities
	From     string `json:"from"`     // "2022-10-28"
	To       string `json:"to"`
}

// Holds says whether t lies within the rule's days.
func (f *FormerRule) Holds(t time.Time) bool {
	from, err := time.Parse(time.DateOnly, f.From)
	to, err2 := time.Parse(time.DateOnly, f.To)
	return err == nil && err2 == nil && !t.Before(from) && t.Before(to.AddDate(0, 0, 1))
}

func (p *Policy) checkFormer() error {
	f := p.Images.Formerly
	if f == nil {
		return nil
	}
	if _, ok := p.Identities[f.Identity]; !ok || f.Identity == p.Images.Identity {
		return fmt.Errorf("images.formerly: %q is not another one of identities", f.Identity)
	}
	from, err := time.Parse(time.DateOnly, f.From)
	to, err2 := time.Parse(time.DateOnly, f.To)
	if err != nil || err2 != nil || to.Before(from) {
		return fmt.Errorf("images.formerly: from %q to %q: want two days such as \"2022-10-28\" in quotes", f.From, f.To)
	}
	return nil
}

// InventoryRule is the least that releases of a range of minors hold.
type InventoryRule struct {
	From          string   `json:"from"`         // "1.24", inclusive
	To            string   `json:"to,omitempty"` // inclusive; empty for all later minors
	Images        []string `json:"images"`
	Architectures []string `json:"architectures"`
}

// KubeadmRule is what kubeadm of a minor's first release uses beside the
// release's own images: their tags.
type KubeadmRule struct {
	Minor   string `json:"minor"` // "1.27"
	Pause   string `json:"pause"`
	Etcd    string `json:"etcd"`
	CoreDNS string `json:"coredns"`
}

// EmbeddedPolicy returns the policy that is compiled in.
func EmbeddedPolicy() *Policy { return embeddedPolicy() }

var embeddedPolicy = sync.OnceValue(func() *Policy {
	p, err := readPolicy(policyYAML) // a test puts it to ParsePolicy
	if err != nil {
		panic("embedded policy: " + err.Error()) // a test reads it, so no build ships with this
	}
	p.source.Embedded = true
	return p
})

// Embedded names the policy and the trusted root that are compiled in, without
// reading them.
func Embedded() (policy, root report.Source) {
	return report.Source{Digest: digestOf(policyYAML), Embedded: true}, report.Source{Digest: digestOf(rootJSON), Embedded: true}
}

// EmbeddedPolicyYAML returns the text of the embedded policy, with its comments.
func EmbeddedPolicyYAML() []byte { return slices.Clone(policyYAML) }

// LoadPolicy reads a policy from a file. The errors are those of the file
// system and [*FileError].
func LoadPolicy(path string) (*Policy, error) {
	b, err := readCapped(path)
	if err != nil {
		return nil, err
	}
	p, err := ParsePolicy(b)
	if err != nil {
		return nil, &FileError{Path: path, What: "policy", Err: err}
	}
	p.source.Path = path
	p.source.Embedded = p.source.Digest == EmbeddedPolicy().source.Digest
	return p, nil
}

// ParsePolicy reads a policy in YAML or JSON. What is not of its form is an error
// that names the line.
func ParsePolicy(text []byte) (*Policy, error) {
	if err := checkStrict(text, reflect.TypeFor[Policy]()); err != nil {
		return nil, plainYAML(err)
	}
	return readPolicy(text)
}

func readPolicy(text []byte) (*Policy, error) {
	p := new(Policy)
	if err := yaml.UnmarshalStrict(text, p); err != nil {
		return nil, plainYAML(err)
	}
	if err := p.check(); err != nil {
		return nil, err
	}
	p.source = report.Source{Digest: digestOf(text)}
	return p, nil
}

// Source names the policy for a report.
func (p *Policy) Source() report.Source { return p.source }

func (p *Policy) check() error {
	if p.SchemaVersion != 1 {
		return fmt.Errorf("schemaVersion is %d, this kverify reads 1", p.SchemaVersion)
	}
	for i, c := range p.Required {
		if !slices.Contains(report.CheckNames, c) {
			return fmt.Errorf("required: there is no check %q, only %s", c, strings.Join(report.CheckNames, ", "))
		}
		if slices.Contains(p.Required[:i], c) {
			return fmt.Errorf("required: %q appears twice", c)
		}
	}
	for _, c := range []string{report.Digest, report.Signature} {
		if !slices.Contains(p.Required, c) {
			return fmt.Errorf("required: %q cannot be left out", c)
		}
	}
	for key, id := range p.Identities {
		if !strings.HasPrefix(id.Issuer, "https://") || len(id.Issuer) == len("https://") {
			return fmt.Errorf("identities: %s: issuer %q is not an https URL", key, id.Issuer)
		}
		if !emailForm().MatchString(id.Subject) {
			return fmt.Errorf("identities: %s: subject %q is not one exact e-mail address in lower case", key, id.Subject)
		}
	}
	for what, keys := range map[string][]string{
		"images.identity": {p.Images.Identity}, "images.staging": {p.Images.Staging}, "files.identity": {p.Files.Identity}, "images.alsoSeen": p.Images.AlsoSeen,
	} {
		for _, key := range keys {
			if _, ok := p.Identities[key]; !ok {
				return fmt.Errorf("%s: identities has no %q", what, key)
			}
		}
	}
	if slices.Contains(p.Images.AlsoSeen, p.Images.Identity) {
		return fmt.Errorf("images.alsoSeen: %q is already the identity that counts", p.Images.Identity)
	}
	if !hostForm().MatchString(p.Images.Registry) {
		return fmt.Errorf("images.registry: %q is not a host name", p.Images.Registry)
	}
	if !signedForm().MatchString(p.Files.SignedSince) {
		return fmt.Errorf("files.signedSince: %q is not a version such as v1.26.0", p.Files.SignedSince)
	}
	if err := p.Images.check(); err != nil {
		return err
	}
	if err := p.Files.Provenance.check(); err != nil {
		return err
	}
	if err := p.checkFormer(); err != nil {
		return err
	}
	if err := p.checkRules(); err != nil {
		return err
	}
	if err := p.checkIncidents(); err != nil {
		return err
	}
	if err := p.checkAttestations(); err != nil {
		return err
	}
	return p.checkInventory()
}

func (r *ImageRule) check() error {
	if len(r.DockerReferences) == 0 {
		return fmt.Errorf("images.dockerReferences is empty: no signature could ever match")
	}
	for _, form := range r.DockerReferences {
		if err := checkForm(form); err != nil {
			return fmt.Errorf("images.dockerReferences: %w", err)
		}
	}
	for _, region := range r.Regions {
		if !nameForm().MatchString(region) {
			return fmt.Errorf("images.regions: %q is not a region", region)
		}
	}
	return nil
}

// checkForm holds the form of an image's name: exact, but for the image and the region.
func checkForm(form string) error {
	plain := strings.NewReplacer("{name}", "name", "{region}", "region").Replace(form)
	if strings.Count(form, "{name}") != 1 || !strings.HasSuffix(form, "/{name}") || strings.Count(form, "{region}") > 1 ||
		strings.ContainsAny(plain, "{}*?[]()|^$\\ ") {
		return fmt.Errorf("%q: want one exact form that ends in /{name}, with {region} at most once", form)
	}
	return nil
}

func (p *Policy) checkInventory() error {
	for _, r := range p.Inventory {
		if !minorForm().MatchString(r.From) || r.To != "" && !minorForm().MatchString(r.To) {
			return fmt.Errorf("inventory: %q to %q: want minors such as \"1.27\" in quotes", r.From, r.To)
		}
		if r.To != "" && minorNumber(r.From) > minorNumber(r.To) {
			return fmt.Errorf("inventory: from %s is after to %s", r.From, r.To)
		}
		if len(r.Images) == 0 || len(r.Architectures) == 0 {
			return fmt.Errorf("inventory: %s: an empty list would demand nothing", r.From)
		}
		for _, n := range slices.Concat(r.Images, r.Architectures) {
			if !nameForm().MatchString(n) {
				return fmt.Errorf("inventory: %s: %q is not a name", r.From, n)
			}
		}
	}
	for i, a := range p.Inventory {
		for _, b := range p.Inventory[:i] {
			if a.holds(minorNumber(b.From)) || b.holds(minorNumber(a.From)) {
				return fmt.Errorf("inventory: the ranges from %s and from %s overlap", b.From, a.From)
			}
		}
	}
	for i, k := range p.Kubeadm {
		if !minorForm().MatchString(k.Minor) || slices.ContainsFunc(p.Kubeadm[:i], func(o KubeadmRule) bool { return o.Minor == k.Minor }) {
			return fmt.Errorf("kubeadm: %q: want each minor once, such as \"1.27\" in quotes", k.Minor)
		}
		for _, tag := range []string{k.Pause, k.Etcd, k.CoreDNS} {
			if !isTag(tag) {
				return fmt.Errorf("kubeadm: %s: %q is not a tag", k.Minor, tag)
			}
		}
	}
	return nil
}

// KubeadmImages returns the tags of pause, etcd and coredns/coredns that
// kubeadm 1.minor.0 uses, by name; ok is false where the policy does not know.
func (p *Policy) KubeadmImages(minor int) (tags map[string]string, ok bool) {
	for _, k := range p.Kubeadm {
		if minorNumber(k.Minor) == minor {
			return map[string]string{"pause": k.Pause, "etcd": k.Etcd, "coredns/coredns": k.CoreDNS}, true
		}
	}
	return nil, false
}

func (r InventoryRule) holds(minor int) bool {
	return minor >= minorNumber(r.From) && (r.To == "" || minor <= minorNumber(r.To))
}

// MinimumImages returns the images and architectures that every release 1.minor holds
// at least; ok is false where the policy does not know that minor.
func (p *Policy) MinimumImages(minor int) (images, architectures []string, ok bool) {
	for _, r := range p.Inventory {
		if r.holds(minor) {
			return slices.Clone(r.Images), slices.Clone(r.Architectures), true
		}
	}
	return nil, nil, false
}

// ImageIdentity returns who must have signed an image.
func (p *Policy) ImageIdentity() Identity { return p.Identities[p.Images.Identity] }

// FileIdentity returns who must have signed a file or an SBOM.
func (p *Policy) FileIdentity() Identity { return p.Identities[p.Files.Identity] }

// IdentityName returns the policy's name for an identity, or "" if it has none.
func (p *Policy) IdentityName(id Identity) string {
	for key, known := range p.Identities {
		if known == id {
			return key
		}
	}
	return ""
}

// ReferenceAllowed says whether a signed docker-reference names the image
// whose path in the registry is name, such as "kube-proxy" or "coredns/coredns".
// With an architecture, "<name>-<arch>" is allowed too: that is the same
// manifest's own repository. The comparison is exact and knows no date.
func (p *Policy) ReferenceAllowed(reference, name, arch string) bool {
	return slices.Contains(p.References(name, arch), reference)
}

// References returns every docker-reference that [Policy.ReferenceAllowed]
// allows for an image.
func (p *Policy) References(name, arch string) []string {
	names := []string{name}
	if arch != "" {
		names = append(names, name+"-"+arch)
	}
	var out []string
	for _, form := range p.Images.DockerReferences {
		// Only the project's own images stand at the root, and only those have a copy under kubernetes/.
		if strings.HasSuffix(form, "/kubernetes/{name}") && strings.Contains(name, "/") {
			continue
		}
		for _, n := range names {
			want := strings.Replace(form, "{name}", n, 1)
			if !strings.Contains(want, "{region}") {
				out = append(out, want)
				continue
			}
			for _, region := range p.Images.Regions {
				out = append(out, strings.Replace(want, "{region}", region, 1))
			}
		}
	}
	return out
}
