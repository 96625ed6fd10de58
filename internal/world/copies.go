package world

import "strings"

// StandIn is a registry that an operator keeps beside the published one, with
// copies of its images. The zero value has all of them, below no prefix.
//
// Most tools that fill one copy "kube-proxy" with its children, and no
// "kube-proxy-amd64": see [OnlyIndexes].
type StandIn struct {
	Prefix  string                 // such as "k8s": the images lie below it
	Has     func(repo string) bool // the repositories that were copied; nil means all
	Lacking int                    // how another is answered: 404 if zero, or 401, 403
	Instead map[string]Manifest    // served in place of a copy, by "repo:tag" or "repo@digest"
}

// OnlyIndexes chooses the repositories that are not of a single architecture.
func OnlyIndexes(repo string) bool {
	for _, arch := range []string{"amd64", "arm", "arm64", "ppc64le", "s390x"} {
		if strings.HasSuffix(repo, "-"+arch) {
			return false
		}
	}
	return true
}
