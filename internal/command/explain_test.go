package command

import (
	"slices"
	"strings"
	"testing"
)

func TestExplained(t *testing.T) {
	for line, want := range map[string]string{
		"images v1.27.2 --explain kube-proxy":                     "images v1.27.2 --explain=kube-proxy",
		"images --explain v1.27.2":                                "images --explain v1.27.2",
		"images --explain stable":                                 "images --explain stable",
		"images --explain 1.27":                                   "images --explain 1.27",
		"verify --explain ./kubectl":                              "verify --explain ./kubectl",
		"verify --explain registry.k8s.io/pause:3.9":              "verify --explain registry.k8s.io/pause:3.9",
		"verify --explain sha256:00":                              "verify --explain sha256:00",
		"images v1.27.2 --explain --mirror DIR":                   "images v1.27.2 --explain --mirror DIR",
		"images v1.27.2 --explain":                                "images v1.27.2 --explain",
		"images v1.27.2 --explain=x --explain kube-proxy kubelet": "images v1.27.2 --explain=x --explain=kube-proxy kubelet",
		"verify -- --explain kube-proxy":                          "verify -- --explain kube-proxy",
		"report --explain report.json":                            "report --explain report.json",
	} {
		if got := Explained(strings.Fields(line)); !slices.Equal(got, strings.Fields(want)) {
			t.Errorf("%s: %q", line, got)
		}
	}
}
