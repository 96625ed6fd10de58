package seen

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/kverify/kverify/internal/bounds"
	"github.com/kverify/kverify/internal/par"
	"github.com/kverify/kverify/internal/session"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/sight"
	"github.com/kverify/kverify/pkg/sight/container"
)

// contained takes a container in.
func (s *run) contained(c Container) {
	if c.Err != nil {
		s.group(thing{seen: c.Name, fault: c.Err.Error()}, report.Place{Source: c.Name})
		return
	}
	if len(c.Copies) == 0 {
		s.group(thing{seen: c.Name, fault: "no list in it names an image"}, report.Place{Source: c.Name})
		return
	}
	h := held{name: c.Name}
	for _, one := range c.Copies {
		hc := heldCopy{Copy: one}
		hc.Names = nil
		for _, name := range one.Names {
			at, ref := s.classify(name)
			if isBareTag(one.List, name, at) {
				hc.tag = name
				continue
			}
			if at.kind == sight.NoName {
				if !isDigestOf(name, one) {
					hc.wrong = append(hc.wrong, name)
				}
				continue
			}
			hc.Names = append(hc.Names, name)
			if at.kind == sight.Ours {
				own := s.claimOf(name, ref)
				if ref.Tag != "" {
					own.pinned = ref.Digest
				}
				hc.claims = append(hc.claims, own)
				s.want(own.ref)
			}
			if hc.at.kind != sight.Alike {
				hc.at = at
			}
		}
		h.copies = append(h.copies, hc)
	}
	h.shareNames()
	s.containers = append(s.containers, h)
}

// storeList is what stands for a list where a store has none.
const storeList = "blobs/sha256"

// isBareTag says whether a list of a layout gives a tag alone, which is all that OCI's
// ref.name need be and all that "oci:DIR:v1.27.2" and oras write: no repository is
// named by it, and so have no owner.
func isBareTag(list, name string, at standing) bool {
	return list == "index.json" && !strings.ContainsAny(name, "/:@") && at.kind != sight.Alike && at.kind != sight.Ours
}

// isDigestOf says whether what is no name is the digest of one beside it: containerd writes
// "@sha256:..." as the ref.name of what it names in full (core/images/archive, ociReferenceName).
func isDigestOf(name string, c sight.Copy) bool {
	return c.List == "index.json" && strings.HasPrefix(name, "@") && slices.ContainsFunc(c.Names, func(n string) bool {
		_, err := sight.ReadName(n)
		return err == nil && strings.HasSuffix(n, name)
	})
}

// shareNames gives a name to what one list names and another does not, where
// each has one image: a loader of either kind loads that under the name.
func (h *held) shareNames() {
	lists := map[string][]*heldCopy{}
	for i := range h.copies {
		lists[h.copies[i].List] = append(lists[h.copies[i].List], &h.copies[i])
	}
	var named *heldCopy
	for _, l := range lists {
		if len(l) != 1 {
			return
		}
		if len(l[0].claims) > 0 {
			named = l[0]
		}
	}
	for _, l := range lists {
		if named != nil && len(l[0].Names)+len(l[0].wrong) == 0 {
			l[0].claims = named.claims
		}
	}
}

// judgeContainers judges every copy in every container, by each of its names.
func (s *run) judgeContainers(ctx context.Context) {
	l := ladder{run: s}
	for _, h := range s.containers {
		found := make([][][]finding, len(h.copies)) // by copy and claim
		for i, c := range h.copies {
			l.unlisted = c.List == storeList
			s.misnamed(c)
			if len(c.claims) == 0 && (len(c.Names) > 0 || len(c.wrong) == 0) {
				s.unnamed(ctx, l, &group{places: []report.Place{c.Place}}, c)
			}
			for _, own := range c.claims {
				f := s.disowned(own)
				if f == nil {
					f = l.climb(ctx, own, c.Root)
				}
				found[i] = append(found[i], f)
			}
		}
		for i, c := range h.copies { // each list is held against every other, whichever is read first
			for k, own := range c.claims {
				s.emit(own, &group{places: []report.Place{c.Place}}, h.agree(i, own, found[i][k], found)...)
			}
		}
	}
}

// disowned is the finding of a name whose digest is of another image than its tag, whatever
// lies there: loaders keep the one or the other. It is nil where nothing contradicts.
func (s *run) disowned(c claim) []finding {
	var f finding
	switch a, ok := s.elsewhere(c, c.pinned); {
	case c.pinned == "":
		return nil
	case ok:
		f = contradicted(a, "%s is %s, under the name %s", c.pinned.Short(), a.name, c.label())
	case s.beyond[c.pinned]:
		f = unasked(c.pinned)
	default:
		return nil
	}
	f.digest = c.pinned
	return []finding{f}
}

// misnamed says of names that are no reference that nothing is known by them. A loader may
// read one otherwise, so that it is nobody else's.
func (s *run) misnamed(c heldCopy) {
	if len(c.wrong) == 0 {
		return
	}
	_, err := sight.ReadName(c.wrong[0])
	g := &group{thing: thing{also: first(c.wrong, report.MaxPlaces)}, places: []report.Place{c.Place}}
	s.emit(claim{seen: c.wrong[0]}, g, withDigest(unknown(report.Malformed, "%v", err), c.Root))
}

// agree holds what one list has under a name against what another has: one
// loader reads the one and another the other, so that what is not the genuine image
// beside one that is, is refuted (rule 30).
func (h *held) agree(i int, own claim, f []finding, found [][][]finding) []finding {
	for k, other := range h.copies {
		if other.List == h.copies[i].List {
			continue
		}
		for n, c := range other.claims {
			if c.key() != own.key() || !isVerified(found[k][n]) {
				continue
			}
			f = slices.Clone(f)
			for j := range f {
				if f[j].verdict == report.Unknown && f[j].reason == report.NoClaim {
					f[j].verdict, f[j].reason = report.Refuted, report.Mismatch
					f[j].detail = fmt.Sprintf("%s has the genuine image under this name, and %s another: %s", other.List, h.copies[i].List, f[j].detail)
				}
			}
		}
	}
	return f
}

// isVerified says whether all that was found is, or belongs to an index of which some is.
func isVerified(list []finding) bool {
	worst, _ := worstOf(list)
	return len(list) > 0 && worst == report.Verified
}

// unnamed judges a copy that no name of ours points at: it may be known by its
// digests, and else it is another party's.
func (s *run) unnamed(ctx context.Context, l ladder, g *group, c heldCopy) {
	ref, ok := s.found(c.Root)
	switch own := (claim{seen: strings.Join(c.Names, ", "), ref: ref}); {
	case len(c.Names) > 0:
		own.ref = registry.Ref{}
		s.other(g, own, c.at, ok, withDigest(finding{}, c.Root))
	case ok:
		// A tag that is a version is a claim too: v1.27.1's image is not v1.27.2's.
		if !c.release().IsZero() && s.isCore(ref.Repository) {
			own.ref.Tag = c.tag
		}
		own.seen = own.ref.String()
		s.emit(own, g, l.climb(ctx, own, c.Root)...)
	case c.Root.Err != nil:
		s.emit(claim{seen: c.Place.String()}, g, withDigest(unread("it has no name, and what lies there", c.Root.Err), c.Root))
	default:
		s.emit(claim{seen: c.Place.String()}, g, withDigest(unknown(report.NoClaim, "it has no name, and no release that kverify knows has its digests; name the release with --release VERSION, or give the names with crictl images -o json"), c.Root))
	}
}

func withDigest(f finding, n sight.Node) finding {
	f.digest, f.role, f.platform = n.Blob.Digest, n.Role, n.Platform
	if f.digest == "" {
		f.digest, f.role = n.Config.Digest, sight.Config
	}
	return f
}

// found finds the image that something in a copy is of.
func (s *run) found(n sight.Node) (registry.Ref, bool) {
	for _, d := range []oci.Digest{n.Blob.Digest, n.Config.Digest} {
		for _, h := range s.hits[d] {
			return h.table.ref, true
		}
	}
	for _, child := range n.Children {
		if ref, ok := s.found(child); ok {
			return ref, true
		}
	}
	return registry.Ref{}, false
}

// judgeFetched judges private copies: evidence comes from where Kubernetes publishes,
// and only the bytes from where the copy lies (rule 31).
func (s *run) judgeFetched(ctx context.Context) {
	seen := map[string]bool{}
	for _, c := range s.fetched {
		if seen[c.seen] {
			continue
		}
		seen[c.seen] = true
		s.judgePrivate(ctx, c)
	}
}

func (s *run) judgePrivate(ctx context.Context, c claim) {
	g := &group{places: []report.Place{{Source: c.seen}}}
	for _, own := range s.groups {
		if own.claim != nil && own.seen == c.seen && len(own.digests) == 0 {
			g = own
		}
	}
	if s.judge.Copies == nil {
		s.emit(c, g, unknown(report.Unreachable, "nothing was fetched, since no registry may be asked; give it with its digest, or its bytes as an archive"))
		return
	}
	ref, err := sight.ReadName(c.seen)
	if err != nil {
		s.emit(c, g, unknown(report.Malformed, "%v", err))
		return
	}
	root, err := s.node(ctx, c, ref, 0)
	if err != nil {
		s.emit(c, g, unread("its manifest", err))
		return
	}
	l := ladder{run: s, remote: true}
	s.emit(c, g, l.climb(ctx, c, root)...)
}

// node reads an image of a private registry as a copy: manifests and configs at
// once, layers when they are asked for. Nothing is read under a digest that the table has.
func (s *run) node(ctx context.Context, c claim, ref registry.Ref, depth int) (sight.Node, error) {
	m, err := s.judge.Copies.Manifest(ctx, ref)
	if err != nil {
		return sight.Node{}, err
	}
	n := sight.Node{Blob: sight.Blob{Digest: m.Digest, Size: int64(len(m.Body)), MediaType: m.MediaType}, Bytes: m.Body}
	at := ref
	at.Tag = ""
	if !m.IsIndex() {
		return s.image(ctx, c, at, m, n)
	}
	n.Role = sight.Index
	idx, err := m.Index()
	if err != nil {
		return n, err
	}
	isGenuine := s.isReleased(c, m.Digest)
	n.Children = make([]sight.Node, len(idx.Manifests))
	if depth > maxNested {
		return n, &bounds.Error{What: "indexes that name one another", Max: maxNested}
	}
	par.Map(ctx, len(n.Children), 8, func(ctx context.Context, i int) {
		if child := &n.Children[i]; !s.leaves(nodeOf(idx.Manifests[i]).Platform, isGenuine) {
			*child = s.child(ctx, c, at, idx.Manifests[i], isGenuine, depth)
		}
	}, func(i int) {
		n.Children[i] = nodeOf(idx.Manifests[i])
		n.Children[i].Err = context.Canceled
	})
	n.Children = slices.DeleteFunc(n.Children, func(child sight.Node) bool { return child.Role == sight.Untold })
	return n, nil
}

// nodeOf is what an index says of one of its manifests.
func nodeOf(d registry.Descriptor) sight.Node {
	n := sight.Node{Role: sight.Manifest, Blob: sight.Blob{Digest: d.Digest, Size: d.Size, MediaType: d.MediaType}}
	if d.Platform != nil {
		n.Platform = d.Platform.String()
	}
	return n
}

// child reads what an index of a private registry names. What of it cannot be read is said
// there, beside what the others are; what a genuine index names and the registry never had is absent.
func (s *run) child(ctx context.Context, c claim, at registry.Ref, d registry.Descriptor, isGenuine bool, depth int) sight.Node {
	child := nodeOf(d)
	at.Digest = d.Digest
	read, err := s.node(ctx, c, at, depth+1)
	switch _, reason := session.Classify(err); {
	case err == nil:
		read.Platform = child.Platform
		return read
	case isGenuine && reason == report.Absent:
	default:
		child.Err = err
	}
	return child
}

// isReleased says whether these are the very bytes that were released under the claim's
// name, and not what a converter writes of them: under that the config and layers are read.
func (s *run) isReleased(c claim, digest oci.Digest) bool {
	return slices.ContainsFunc(s.within(c, digest), func(h hit) bool { return h.form == nil })
}

func (s *run) image(ctx context.Context, c claim, at registry.Ref, m *registry.Manifest, n sight.Node) (sight.Node, error) {
	n.Role = sight.Manifest
	if s.isReleased(c, m.Digest) {
		return n, nil
	}
	img, err := m.Image()
	if err != nil {
		return n, err
	}
	n.Config = sight.Blob{Digest: img.Config.Digest, Size: img.Config.Size, MediaType: img.Config.MediaType}
	if n.ConfigBytes, err = s.judge.Copies.Blob(ctx, at.At(img.Config.Digest), maxConfig); err != nil {
		return n, err
	}
	for _, d := range img.Layers {
		n.Layers = append(n.Layers, container.Layer(d, func(ctx context.Context) (io.ReadCloser, error) {
			return s.judge.Copies.OpenBlob(ctx, at, d)
		}))
	}
	return n, nil
}
