package seen_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/sight"
)

// A name in an archive that is no reference says nothing of whose the image is, and never
// makes it another's: a loader may read what we do not.
func TestNamesThatAreNoReference(t *testing.T) {
	w := world.New(world.Options{Versions: []string{version}})
	genuine := saved(t, w, "kube-proxy-amd64:"+version)
	evil := relabelled(t, genuine, "Entrypoint", []string{"/bin/evil"})
	evil.Layers = []sight.Blob{blob([]byte("evil"), "")}
	stored := copyOf(t, w, "kube-proxy:"+version)
	inFull := "registry.k8s.io/kube-proxy@" + string(stored.Blob.Digest)
	var rows []row
	for _, name := range []string{
		proxy + "@sha512:" + strings.Repeat("a", 128), proxy + "@sha256:abc", proxy + " ", " " + proxy, proxy + "\x00", "registry.k8s.io/kube-proxy:",
		"registry.k8s.io/Kube-proxy:" + version, "registry.k8s.io//kube-proxy:" + version, "registry.k8s.io/./kube-proxy:" + version,
		"docker://" + proxy, "https://" + proxy, strings.Replace(proxy, ".io", ".io.", 1), "Kube-proxy:" + version, "@" + string(stored.Blob.Digest), "/",
	} {
		for _, list := range []string{"manifest.json", "index.json"} {
			in := archive(genuine, proxy)
			in.Copies[0].Copies = append(in.Copies[0].Copies, sight.Copy{Names: []string{name}, List: list, Place: report.Place{Source: "images.tar", Entry: list}, Root: evil})
			rows = append(rows, row{fmt.Sprintf("%.60q in %s", name, list), in, report.Unknown, "malformed: image "})
		}
	}
	beside := func(n sight.Node, names ...string) row {
		in := archive(n, names...)
		in.Copies[0].Copies[0].List = "index.json"
		return row{fmt.Sprintf("%.40q beside %.40q", names[1:], names[0]), in, report.Unknown, "malformed: image "}
	}
	digestAlone := beside(stored, inFull, "@"+string(stored.Blob.Digest)) // as ctr images export writes it
	digestAlone.want, digestAlone.says = report.Verified, ""
	rows = append(rows, beside(genuine, proxy, "docker://"+proxy), beside(genuine, "docker.io/library/nginx:1", "Nginx:1"),
		beside(stored, inFull, "@"+string(oci.DigestOf([]byte("another")))), digestAlone)
	checkRows(t, w, rows)
}
