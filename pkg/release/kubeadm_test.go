package release

import (
	"bytes"
	"strings"
	"testing"
)

// What was known of eight versions before is what the table says.
func TestKubeadmImages(t *testing.T) {
	for v, want := range map[string][3]string{
		"v1.24.0": {"3.7", "3.5.3-0", "v1.8.6"}, "v1.25.0": {"3.8", "3.5.4-0", "v1.9.3"}, "v1.26.0": {"3.9", "3.5.6-0", "v1.9.3"},
		"v1.27.0": {"3.9", "3.5.7-0", "v1.10.1"}, "v1.27.2": {"3.9", "3.5.7-0", "v1.10.1"}, "v1.28.0": {"3.9", "3.5.9-0", "v1.10.1"},
		"v1.29.0": {"3.9", "3.5.10-0", "v1.11.1"}, "v1.36.2": {"3.10.2", "3.6.8-0", "v1.14.2"},
	} {
		images, ok := KubeadmImages(version(t, v))
		if got := strings.Join(images, " "); !ok || got != "registry.k8s.io/pause:"+want[0]+" registry.k8s.io/etcd:"+want[1]+" registry.k8s.io/coredns/coredns:"+want[2] {
			t.Errorf("%s: %v %s", v, ok, got)
		}
	}
	if images, _ := KubeadmImages(version(t, "v1.20.0")); len(images) != 3 || !strings.HasPrefix(images[2], "registry.k8s.io/coredns:1.") {
		t.Errorf("v1.20.0: %v", images)
	}
	if n := len(kubeadmTable().Versions()); n != 458 {
		t.Errorf("%d versions", n)
	}
	// Every minor that the snapshot supports is known.
	newest, _ := Snapshot()
	for _, v := range newest[:4] {
		if _, ok := KubeadmImages(Version{Major: v.Major, Minor: v.Minor}); !ok {
			t.Errorf("%s.0 is not known", v.MinorString())
		}
	}
}

// A later version than the table is unknown, whatever its neighbours ask for.
func TestKubeadmImagesOfALaterVersion(t *testing.T) {
	for v, newest := range map[string]string{"v1.36.99": "v1.36.3", "v1.99.0": "v1.37.0-rc.0", "v1.2.0": "v1.37.0-rc.0"} {
		if images, ok := KubeadmImages(version(t, v)); ok {
			t.Errorf("%s: %v", v, images)
		}
		if got, source := KubeadmKnown(version(t, v)); got.String() != newest || !strings.Contains(source, "minikube") {
			t.Errorf("%s: known up to %s, from %s", v, got, source)
		}
	}
}

func FuzzKubeadmTable(f *testing.F) {
	f.Add([]byte("# source: a test\n1.21 pause=3.4.1 etcd=3.4.13-0 coredns/coredns=v1.8.0: 0-rc.0 0 1\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		table, err := ParseKubeadmTable(data)
		if err != nil {
			return
		}
		again, err := ParseKubeadmTable(table.Text())
		if err != nil || !bytes.Equal(again.Text(), table.Text()) {
			t.Errorf("it does not read back: %v", err)
		}
	})
}
