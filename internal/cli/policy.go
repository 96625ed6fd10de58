package cli

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/kverify/kverify/internal/command"
	"github.com/kverify/kverify/internal/render/encode"
	"github.com/kverify/kverify/internal/render/terminal"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/trust"
	"github.com/spf13/cobra"
)

// policyCommand shows and checks policies.
func policyCommand(a *command.App) *cobra.Command {
	c := &cobra.Command{
		Use:   "policy",
		Short: "Show or check a policy: who must have signed what",
		Example: command.WithExamples(
			"kverify policy show > my-policy.yaml  # the built-in one, with its comments",
			"kverify policy check my-policy.yaml",
		),
	}
	form := ""
	var flags, checked command.Shared
	show := &cobra.Command{
		Use:   "show",
		Short: "Print the built-in policy, with its comments",
		Long: `Prints the policy that is built in, as YAML. A copy of it, changed, goes in with --policy.

With --for, writes who must have signed images as the policy of something that decides
at pull or at admission, and says what is lost: none of them binds the version.`,
		Example: command.WithExamples(
			"kverify policy show > my-policy.yaml",
			"kverify policy show --for kyverno | kubectl apply -f -",
		),
		Args: command.NoArguments,
		RunE: func(c *cobra.Command, _ []string) (err error) {
			a.Running = true
			set := &command.Settings{Ctx: c.Context(), Shared: flags}
			if set.Outputs, err = flags.Output.Read(); err != nil {
				return err
			}
			text := trust.EmbeddedPolicyYAML()
			if c.Flags().Changed("for") {
				if c.Flags().Changed("output") {
					return command.Usagef("--for and -o contradict each other; give one of them")
				}
				if err := command.Chosen("for", []string{form}, policyForms); err != nil {
					return err
				}
				text = []byte(policyFor(form, trust.EmbeddedPolicy()))
			}
			_, err = a.WriteAll(set, func(w io.Writer, format string, _ terminal.Options) error {
				if format == "json" {
					return encode.As(w, trust.EmbeddedPolicy(), format)
				}
				_, err := w.Write(text)
				return err
			})
			return err
		},
	}
	flags.Output.AddOwn(show, []string{"yaml", "json"})
	show.Flags().StringVar(&form, "for", "", "write who signs images as the policy of `FORM`: "+command.OrList(policyForms))
	_ = show.Flags().SetAnnotation("for", command.NotFromEnvironment, nil)
	_ = show.RegisterFlagCompletionFunc("for", cobra.FixedCompletions(policyForms, cobra.ShellCompDirectiveNoFileComp))
	check := &cobra.Command{
		Use:   "check FILE",
		Short: "Say whether a file is a policy, and what it demands",
		Long: `Reads a policy as --policy does: unknown fields, keys that appear twice, patterns
where exact names belong and lists that would demand nothing are errors (exit code 2).`,
		Example: command.WithExamples("kverify policy check my-policy.yaml"),
		Args:    command.OneFile("policy check", "policy"),
		RunE: func(c *cobra.Command, args []string) (err error) {
			a.Running = true
			set := &command.Settings{Ctx: c.Context(), Shared: checked}
			if set.Outputs, err = checked.Output.Read(); err != nil {
				return err
			}
			p, err := trust.LoadPolicy(args[0])
			if err != nil {
				return command.NotTrust("the policy", args[0], err)
			}
			_, err = a.WriteAll(set, func(w io.Writer, format string, _ terminal.Options) error {
				if format != "text" {
					return encode.As(w, checkedPolicy{args[0], p.Source().Digest, p.Source().Embedded, p}, format)
				}
				return describePolicy(w, args[0], p)
			})
			return err
		},
	}
	checked.Output.AddOwn(check, encode.Formats)
	c.AddCommand(show, check)
	return a.Group(c)
}

// checkedPolicy is a policy for a program.
type checkedPolicy struct {
	Name    string        `json:"name"`
	Digest  string        `json:"digest"`
	BuiltIn bool          `json:"builtIn"`
	Policy  *trust.Policy `json:"policy"`
}

func describePolicy(w io.Writer, path string, p *trust.Policy) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: a policy\n", terminal.Escape(path))
	fmt.Fprintf(&b, "  digest      %s", p.Source().Digest)
	if p.Source().Embedded {
		b.WriteString(" (the built-in one)")
	}
	fmt.Fprintf(&b, "\n  requires    %s\n", strings.Join(p.Required, ", "))
	who := func(key string) string {
		return fmt.Sprintf("%s (%s)", p.Identities[key].Subject, p.Identities[key].Issuer)
	}
	fmt.Fprintf(&b, "  images      signed by %s\n", terminal.Escape(who(p.Images.Identity)))
	fmt.Fprintf(&b, "  files       signed by %s, since %s\n", terminal.Escape(who(p.Files.Identity)), p.Files.SignedSince)
	for _, class := range []string{report.Promotion, report.VSA, report.Provenance} {
		rule := p.Attestations[class]
		fmt.Fprintf(&b, "  %-10s  signed by %s", class, terminal.Escape(who(rule.Identity)))
		if rule.MinimumLevel != "" {
			fmt.Fprintf(&b, ", at least %s", rule.MinimumLevel)
		}
		b.WriteString("\n")
	}
	var minors []string
	for _, r := range p.Inventory {
		minors = append(minors, r.From+" to "+command.OrElse(r.To, "later"))
	}
	fmt.Fprintf(&b, "  inventory   of %s\n", strings.Join(minors, ", "))
	for _, r := range p.Rules {
		what := command.OrElse(strings.Join(r.Images, ", "), "every image")
		if r.From != "" || r.To != "" {
			what += " of " + command.OrElse(r.From, "the first") + " to " + command.OrElse(r.To, "later")
		}
		for i, checks := range [][]string{r.Require, r.Report} {
			verb := []string{"requires", "reports"}[i]
			if len(checks) > 0 {
				fmt.Fprintf(&b, "  rule        of %s %s %s\n", terminal.Escape(what), verb, strings.Join(checks, ", "))
			}
		}
	}
	if f := p.Images.Formerly; f != nil {
		fmt.Fprintf(&b, "  formerly    signed by %s, %s to %s, if in the catalogue\n", terminal.Escape(p.Identities[f.Identity].Subject), f.From, f.To)
	}
	fmt.Fprintf(&b, "  names       %d forms of docker-reference in %d regions\n", len(p.Images.DockerReferences), len(p.Images.Regions))
	fmt.Fprintf(&b, "  contents    of %s\n", command.OrElse(strings.Join(slices.Sorted(maps.Keys(p.Contents)), ", "), "no image"))
	fmt.Fprintf(&b, "  incidents   %s\n", command.OrElse(strings.Join(p.IncidentIDs(), ", "), "none"))
	var loose []string
	for _, name := range trust.EmbeddedPolicy().Required {
		if !slices.Contains(p.Required, name) {
			loose = append(loose, name)
		}
	}
	if len(loose) > 0 {
		fmt.Fprintf(&b, "  weaker than the built-in one: it does not require %s\n", strings.Join(loose, ", "))
	}
	_, err := io.WriteString(w, b.String())
	return err
}
