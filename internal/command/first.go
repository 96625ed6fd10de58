package command

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kverify/kverify/pkg/release"
)

// programs are those of every release that people ask for by name and that are no image.
var programs = []string{"kubeadm", "kubelet", "kubectl", "kubectl-convert", "mounter", "kube-aggregator", "apiextensions-apiserver"}

// isName says whether a word is the name of something in a release, as far as a name tells.
func isName(word string) bool {
	word = strings.TrimSuffix(word, ".exe")
	return IsPublishedName(word) || slices.Contains(programs, word) || slices.Contains(release.FileKinds, word) ||
		word == release.AllImages || word == release.AllFiles || strings.HasPrefix(word, "kubernetes-") || strings.HasPrefix(word, "bin/")
}

func isVersion(word string) bool {
	_, _, err := release.Channel(word)
	return err == nil || release.IsRange(word)
}

// VersionFirst refuses arguments of a command that takes VERSION [NAME...] where the first
// is no version, and says what is wrong: another stands in its place, or it is missing.
func VersionFirst(c *cobra.Command, args []string) error {
	if len(args) == 0 || isVersion(args[0]) {
		return nil
	}
	if args[0] == "help" {
		return &UsageError{Err: fmt.Errorf("%q is not a Kubernetes version", args[0]), Hint: "did you mean: kverify help " + c.Name()}
	}
	rest := slices.Clone(args)
	if i := slices.IndexFunc(rest, isVersion); i > 0 {
		version := rest[i]
		rest = slices.Concat([]string{version}, rest[:i], rest[i+1:])
		return Usagef("%q is not a Kubernetes version; is VERSION first? write %s %s", args[0], c.CommandPath(), strings.Join(rest, " "))
	}
	if isName(args[0]) {
		return Usagef("VERSION is missing, and %q is a name in a release; write %s v1.27.2 %s", args[0], c.CommandPath(), strings.Join(args, " "))
	}
	return nil // what reads the version says what is wrong with it
}
