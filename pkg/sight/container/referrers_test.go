package container_test

import "testing"

// What has files is an image, whatever its subject is, as a list names it and as an index does.
func TestReferrersWithFiles(t *testing.T) {
	i := newImage("kube-proxy", "amd64")
	for mediaType, files := range map[string]bool{
		ociLayer: true, ociLayer + "+gzip+x": true, dockerLayer: true, "application/vnd.docker.image.rootfs.diff.tar+gzip": true,
		"application/vnd.oci.image.layer.nondistributable.v1.tar": true, "application/vnd.in-toto+json": false, "application/vnd.dev.cosign.simplesigning.v1+json": false,
	} {
		m := asJSON(fields{"schemaVersion": 2, "mediaType": ociManifest, "config": descriptor(ociConfig, []byte(`{}`)),
			"layers": []fields{descriptor("text/plain", []byte("x")), descriptor(mediaType, i.packed[0])}, "subject": descriptor(dockerManifest, i.manifest)})
		list := index(ociIndex, descriptor(ociManifest, m))
		s := layout(descriptor(ociManifest, m), descriptor(ociIndex, list))
		for _, b := range [][]byte{m, list, []byte(`{}`), []byte("x"), i.packed[0]} {
			s.blob(b)
		}
		box := open(t, s.folder(t))
		copies := box.Copies()
		if root := copies[len(copies)-1].Root; (box.Referrers == 0) != files || (root.Referrers == 0) != files || (len(root.Children) == 1) != files {
			t.Errorf("%s: %d copies, %d referrers, and %d children with %d", mediaType, len(copies), box.Referrers, len(root.Children), root.Referrers)
		}
	}
}
