package seen

import (
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/trust"
)

// catalogued are the rows of the catalogue that have a digest.
func (s *run) catalogued(digest oci.Digest) []trust.CatalogueRow {
	if s.rows == nil {
		s.rows = map[oci.Digest][]trust.CatalogueRow{}
		if c := s.catalogue(); c != nil {
			for _, row := range c.Rows() {
				s.rows[row.Digest] = append(s.rows[row.Digest], row)
			}
		}
	}
	return s.rows[digest]
}

// catalogue is the one that the verifier asks: none under a root that is not Sigstore's
// public instance.
func (s *run) catalogue() *trust.Catalogue {
	if s.verifier.Catalogue != nil {
		return s.verifier.Catalogue
	}
	root := s.verifier.Root
	if root == nil || root.SameInstance(trust.EmbeddedRoot()) {
		return trust.EmbeddedCatalogue()
	}
	return nil
}
