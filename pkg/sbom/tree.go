package sbom

// Kind says what an element of a document is.
type Kind uint8

const (
	KindDocument Kind = iota
	KindPackage
	KindFile
)

// String returns "document", "package" or "file".
func (k Kind) String() string { return [...]string{"document", "package", "file"}[min(k, KindFile)] }

// Node is one element in the tree of a document.
type Node struct {
	Kind     Kind
	ID, Name string
	Checksums
	Children []*Node
}

// maxTreeDepth is where the tree of a document stops growing downward; what is
// below stands at the top. Release, image, layer, and a package in it are four.
const maxTreeDepth = 32

// Tree arranges a document by its CONTAINS relationships, under a root that is
// the document. Every file and package appears exactly once, in the document's
// order, under the first element that contains it; what nothing contains
// stands at the top. Circles are cut.
func (d *Document) Tree() *Node {
	root := &Node{Kind: KindDocument, ID: DocumentID, Name: d.Name}
	nodes := make(map[string]*Node, len(d.Files)+len(d.Packages))
	all := make([]*Node, 0, len(d.Files)+len(d.Packages))
	add := func(n *Node) {
		all = append(all, n)
		if nodes[n.ID] == nil {
			nodes[n.ID] = n
		}
	}
	for _, p := range d.Packages {
		add(&Node{Kind: KindPackage, ID: p.ID, Name: p.Name, Checksums: p.Checksums})
	}
	for _, f := range d.Files {
		add(&Node{Kind: KindFile, ID: f.ID, Name: f.Name, Checksums: f.Checksums})
	}
	parent := make(map[*Node]*Node, len(all))
	for _, r := range d.Relationships {
		from, to := nodes[r.From], nodes[r.To]
		if r.Type == "CONTAINS" && from != nil && to != nil && parent[to] == nil {
			parent[to] = from
		}
	}
	for _, n := range all {
		if !reachesTop(n, parent) {
			delete(parent, n)
		}
	}
	for _, n := range all {
		p := parent[n]
		if p == nil {
			p = root
		}
		p.Children = append(p.Children, n)
	}
	return root
}

// reachesTop reports whether n hangs in a branch that has an end and is no
// longer than maxTreeDepth.
func reachesTop(n *Node, parent map[*Node]*Node) bool {
	for range maxTreeDepth {
		if n = parent[n]; n == nil {
			return true
		}
	}
	return false
}

// Count returns how many elements of that kind are below n.
func (n *Node) Count(k Kind) int {
	c := 0
	for _, child := range n.Children {
		c += child.Count(k)
		if child.Kind == k {
			c++
		}
	}
	return c
}
