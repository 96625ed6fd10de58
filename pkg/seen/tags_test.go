package seen_test

import (
	"testing"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/sight"
)

// TestTagsAlone judges layouts whose index.json gives a tag and no repository, as
// skopeo and oras write it: the digests say what image it is, and a tag that is
// a version is a claim that is held against it.
func TestTagsAlone(t *testing.T) {
	w := world.New(world.Options{Versions: []string{"v1.27.1", version}})
	// What is called of another release, or nobody's, lies in none of those asked.
	stranger := copyOf(t, w, "kube-proxy-amd64:"+version)
	stranger.Blob.Digest, stranger.Bytes = "", nil
	stranger.ConfigBytes = append([]byte(" "), stranger.ConfigBytes...)
	stranger.Config.Digest = oci.DigestOf(stranger.ConfigBytes)
	config := saved(t, w, "kube-proxy-amd64:"+version)
	for name, tt := range map[string]struct {
		root      sight.Node
		list, tag string
		want      report.Verdict
	}{
		"the release's":                {copyOf(t, w, "kube-proxy:"+version), "index.json", version, report.Verified},
		"of no version":                {copyOf(t, w, "kube-proxy:"+version), "index.json", "latest", report.Verified},
		"of another version":           {copyOf(t, w, "kube-proxy:v1.27.1"), "index.json", version, report.Refuted},
		"config of the release":        {config, "index.json", version, report.Verified},
		"config of another version":    {config, "index.json", "v1.27.1", report.Unknown},
		"nobody's":                     {stranger, "index.json", version, report.Unknown},
		"nobody's, of no version":      {stranger, "index.json", "latest", report.Unknown},
		"an image's name is no tag":    {copyOf(t, w, "kube-proxy:"+version), "index.json", "kube-scheduler", report.Unknown},
		"docker's list names no tag":   {copyOf(t, w, "kube-proxy:"+version), "manifest.json", version, report.Unknown},
		"a repository with no tag":     {copyOf(t, w, "kube-proxy:"+version), "index.json", "example.com/x", report.Unknown},
		"of a version that is no more": {copyOf(t, w, "kube-proxy:"+version), "index.json", "v9.9.9", report.Refuted},
	} {
		t.Run(name, func(t *testing.T) {
			in := archive(tt.root, tt.tag)
			in.Copies[0].Copies[0].List = tt.list
			if rep := verdict(t, judge(t, w), in); rep.Verdict() != tt.want {
				t.Errorf("%s, want %s\n%s", rep.Verdict(), tt.want, tell(rep))
			}
		})
	}
}
