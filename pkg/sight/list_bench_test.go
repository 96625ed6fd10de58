package sight_test

import (
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kverify/kverify/pkg/sight"
)

// cluster writes what kubectl get pods -A -o json does, of many pods of 10 KB with 40 distinct images.
type cluster struct {
	pods, next int
	buf        []byte
}

func (c *cluster) Read(p []byte) (int, error) {
	for len(c.buf) == 0 {
		switch {
		case c.next == 0:
			c.buf = []byte("{\n    \"apiVersion\": \"v1\",\n    \"items\": [\n")
		case c.next <= c.pods:
			c.buf = fatPods()[c.next%40]
			if c.next == 1 {
				c.buf = c.buf[1:] // its comma
			}
		case c.next == c.pods+1:
			c.buf = []byte("    ],\n    \"kind\": \"List\",\n    \"metadata\": {\n        \"resourceVersion\": \"\"\n    }\n}\n")
		default:
			return 0, io.EOF
		}
		c.next++
	}
	n := copy(p, c.buf)
	c.buf = c.buf[n:]
	return n, nil
}

// fatPod is a pod as kubectl prints it: indented, with what controllers and the
// kubelet add around the two containers that matter.
func fatPod(n int) string {
	image := fmt.Sprintf("registry.k8s.io/image-%d:v1.30.%d", n%20, n%2)
	id := fmt.Sprintf("registry.k8s.io/image-%d@sha256:%064x", n%20, n%40+1)
	var env, fields, mounts strings.Builder
	for i := range 24 {
		fmt.Fprintf(&env, "                            {\n                                \"name\": \"SOME_SETTING_%d\",\n                                \"value\": \"the value of it, number %d, \\\"quoted\\\"\"\n                            },\n", i, i)
		fmt.Fprintf(&fields, "                            \"f:field-%d\": {\n                                \".\": {},\n                                \"f:value\": {}\n                            },\n", i)
	}
	for i := range 8 {
		fmt.Fprintf(&mounts, "                            {\n                                \"mountPath\": \"/var/run/secrets/%d\",\n                                \"name\": \"kube-api-access-%d\",\n                                \"readOnly\": true\n                            },\n", i, i)
	}
	return fmt.Sprintf(`,        {
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "annotations": {"kubectl.kubernetes.io/last-applied-configuration": %[6]q},
                "managedFields": [{"apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": {%[4]s "f:z": {}}, "manager": "kubelet", "operation": "Update"}],
                "name": "web-%[1]d", "namespace": "team-%[7]d", "uid": "00000000-0000-0000-0000-%012[1]d"
            },
            "spec": {
                "containers": [
                    {"env": [%[3]s {"name": "Z", "value": ""}], "image": %[2]q, "imagePullPolicy": "IfNotPresent", "name": "web", "volumeMounts": [%[8]s {"name": "z"}]}
                ],
                "volumes": [{"name": "kube-api-access", "projected": {"defaultMode": 420, "sources": [{"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}}]}}]
            },
            "status": {
                "conditions": [{"lastProbeTime": null, "status": "True", "type": "Ready"}],
                "containerStatuses": [{"containerID": "containerd://%064[1]x", "image": %[2]q, "imageID": %[5]q, "name": "web", "ready": true, "state": {"running": {"startedAt": "2026-11-26T10:00:00Z"}}}],
                "phase": "Running"
            }
        }
`, n, image, env.String(), fields.String(), id, strings.Repeat(`{"apiVersion":"v1"}`, 24), n%50, mounts.String())
}

// fatPods are the forty, made once.
var fatPods = sync.OnceValue(func() (pods [][]byte) {
	for n := range 40 {
		pods = append(pods, []byte(fatPod(n)))
	}
	return pods
})

// BenchmarkCluster reads 10,000 pods of 10 KB. It reports the most memory that
// was live, of what it read in a stream of some 100 MB.
func BenchmarkCluster(b *testing.B) {
	size := int64(0)
	for n := range 10_000 {
		size += int64(len(fatPods()[n%40]))
	}
	b.ReportAllocs()
	b.SetBytes(size)
	for b.Loop() {
		count := 0
		var most uint64
		var m runtime.MemStats
		for s, err := range sight.NewList("-", &cluster{pods: 10_000}).All(b.Context()) {
			if err != nil || s.Digest == "" {
				b.Fatal(s, err)
			}
			if count++; count%1000 == 0 {
				runtime.ReadMemStats(&m)
				most = max(most, m.HeapInuse)
			}
		}
		if count != 10_000 {
			b.Fatal(count)
		}
		b.ReportMetric(float64(most)/(1<<20), "MiB-in-use")
	}
}

// A cluster is read as it comes: the memory does not grow with it.
func TestClusterIsStreamed(t *testing.T) {
	const pods = 2_000
	began := time.Now()
	distinct := map[string]int{}
	var m runtime.MemStats
	for s, err := range sight.NewList("-", &cluster{pods: pods}).All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if distinct[string(s.Digest)]++; len(distinct) > 40 || !strings.HasPrefix(s.Place.Entry, "pod team-") {
			t.Fatal(s)
		}
	}
	runtime.ReadMemStats(&m)
	if m.HeapInuse > 64<<20 || len(distinct) != 40 {
		t.Errorf("%d MiB, %d images", m.HeapInuse>>20, len(distinct))
	}
	t.Log(time.Since(began))
}
