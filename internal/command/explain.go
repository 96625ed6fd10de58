package command

import (
	"slices"
	"strings"

	"github.com/kverify/kverify/internal/lazyregexp"

	"github.com/kverify/kverify/pkg/release"
	"github.com/spf13/pflag"
)

// explainAll is the value of --explain without one. It is the name of nothing.
const explainAll = "*"

// simpleName is the form of a NAME that is no version, no path and no reference.
var simpleName = lazyregexp.New(`^[a-z][a-z0-9-]*$`)

// Explained lets the value of --explain be optional and stand apart: a word behind it that
// can be nothing but a NAME is its value, so that "--explain kube-proxy" does what it says
// in every command, and "--explain v1.27.2" and "--explain ./kubectl" leave the argument alone.
func Explained(args []string) []string {
	out := make([]string, 0, len(args))
	for i := 0; i < len(args); i++ {
		switch {
		case args[i] == "--":
			return append(out, args[i:]...)
		case args[i] == "--explain" && i+1 < len(args) && (explainable(args[i+1]) || strings.TrimSpace(args[i+1]) == ""):
			out = append(out, "--explain="+args[i+1])
			i++
		default:
			out = append(out, args[i])
		}
	}
	return out
}

// explainable says whether the word after --explain is its NAME and not a VERSION.
func explainable(word string) bool {
	if !simpleName().MatchString(word) {
		return false
	}
	_, _, err := release.Channel(word)
	return err != nil
}

// AddExplain defines the flag of commands that judge. Its value is optional: see [Explained].
func (s *Shared) AddExplain(f *pflag.FlagSet) {
	f.StringArrayVar(&s.Explain, "explain", nil, "tell in words of `NAME`, such as kube-proxy: who signed it, what ties it to its version, what is wrong and what to do; without a name of all that is not verified")
	f.Lookup("explain").NoOptDefVal = explainAll
	_ = f.SetAnnotation("explain", NotFromEnvironment, nil)
}

// explained are the names for the renderer; nil if nothing was asked.
func (s *Shared) explained() []string {
	if len(s.Explain) == 0 {
		return nil
	}
	names := make([]string, len(s.Explain))
	for i, n := range s.Explain {
		if n != explainAll {
			names[i] = n
		}
	}
	return names
}

// CheckExplain says what does not go with --explain.
func (s *Shared) CheckExplain(outputs []Output) error {
	switch {
	case len(s.Explain) == 0:
	case slices.ContainsFunc(s.Explain, func(n string) bool { return strings.TrimSpace(n) == "" }):
		return Usagef("--explain names nothing; name a subject, such as --explain=kube-proxy, or leave the name out")
	case s.Quiet:
		return Usagef("--quiet and --explain contradict each other; give one of them")
	case !slices.ContainsFunc(outputs, func(o Output) bool { return o.Format == "table" || o.Format == "wide" }):
		return Usagef("--explain tells in words, and -o names no format that has them; add -o table, or leave -o out")
	}
	return nil
}
