package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/kverify/kverify/internal/command"
	"github.com/kverify/kverify/internal/render/describe"
	"github.com/kverify/kverify/internal/render/terminal"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/sbom"
	"github.com/spf13/cobra"
)

func sbomCommand(a *command.App) *cobra.Command {
	c := &cobra.Command{
		Use:   "sbom COMMAND",
		Short: "Show, list, compare and convert SBOMs",
		Long: `Reads SPDX documents of version 2.2 and 2.3, as tag-value text or JSON: a release's
own, which is fetched, held to its version, and whose signature is said on stderr; or
any file, which needs no network.`,
		Example: command.WithExamples(
			"kverify sbom show v1.27.2  # images, layers and files as a tree",
			"kverify sbom images v1.27.2  # the images, one a line",
			"kverify sbom diff v1.27.1 v1.27.2  # what changed",
			"kverify sbom convert kubernetes-release.spdx -o json=release.json",
		),
	}
	c.AddCommand(sbomShowCommand(a), sbomImagesCommand(a), sbomDiffCommand(a), sbomConvertCommand(a))
	return a.Group(c)
}

const oneSBOM = "a version or the path of an SPDX document"

func sbomShowCommand(a *command.App) *cobra.Command {
	var flags command.Shared
	c := &cobra.Command{
		Use:   "show VERSION|FILE",
		Short: "Show an SBOM as a tree of images, layers and files, with counts",
		Example: command.WithExamples(
			"kverify sbom show v1.27.2",
			"kverify sbom show ./kubernetes-release.spdx  # needs no network",
			"kverify sbom show v1.27.2 -o json  # for a program",
		),
		Args:              command.Needs(1, 1, oneSBOM, "kverify sbom show v1.27.2"),
		ValidArgsFunction: command.CompleteVersions(true, nil),
		RunE: a.ReadOnly(&flags, func(ctx context.Context, r *command.ReadOnlyRun, args []string) error {
			m, err := document(ctx, r, args[0])
			if err != nil {
				return err
			}
			_, err = r.App.WriteAll(r.Set, func(w io.Writer, format string, o terminal.Options) error {
				return describe.SBOM(w, describe.SBOMView{Document: m.document, Verbose: r.Set.Verbose}, format, o)
			})
			return err
		}),
	}
	flags.AddReading(c, describe.SBOMFormats...)
	return c
}

func sbomImagesCommand(a *command.App) *cobra.Command {
	var flags command.Shared
	c := &cobra.Command{
		Use:   "images VERSION|FILE",
		Short: "List the images of an SBOM, one a line and architecture",
		Long: `Prints exactly what the pipeline in Kubernetes' documentation prints, in its order:

  curl -Ls https://sbom.k8s.io/VERSION/release |
    grep "SPDXID: SPDXRef-Package-registry.k8s.io" | grep -v sha256 |
    cut -d- -f3- | sed 's/-/\//' | sed 's/-v1/:v1/'

but for a VERSION only from an SBOM that speaks for that version, and whose signature
does not contradict it.`,
		Example: command.WithExamples(
			"kverify sbom images v1.27.2",
			"kverify sbom images ./kubernetes-release.spdx  # needs no network",
		),
		Args:              command.Needs(1, 1, oneSBOM, "kverify sbom images v1.27.2"),
		ValidArgsFunction: command.CompleteVersions(true, nil),
		RunE: a.ReadOnly(&flags, func(ctx context.Context, r *command.ReadOnlyRun, args []string) error {
			m, err := document(ctx, r, args[0])
			if err != nil {
				return err
			}
			names := release.SBOMImageNames(m.document)
			if len(names) == 0 {
				return fmt.Errorf("%s: no package in it is an image of registry.k8s.io, as in releases up to about v1.25, whose images were of k8s.gcr.io; see kverify sbom show %s", args[0], args[0])
			}
			_, err = r.App.WriteAll(r.Set, func(w io.Writer, format string, _ terminal.Options) error {
				return describe.Names(w, names, format)
			})
			return err
		}),
	}
	flags.AddReading(c, describe.NamesFormats...)
	return c
}

func sbomDiffCommand(a *command.App) *cobra.Command {
	var flags command.Shared
	c := &cobra.Command{
		Use:   "diff VERSION|FILE VERSION|FILE",
		Short: "Compare two SBOMs",
		Long: `Compares everything that is read of two SBOMs; order does not matter. In the SBOMs of
two releases each one's own version counts as the same word, so that what both have
is not reported as gone and come. -v lists relationships and whole entries, too. That
there are differences is an answer and no error: the exit code is 0.`,
		Example: command.WithExamples(
			"kverify sbom diff v1.27.1 v1.27.2",
			"kverify sbom diff v1.27.2 ./carried.spdx  # is the one at hand the published one?",
			"kverify sbom diff v1.27.1 v1.27.2 -o json  # for a program",
		),
		Args:              command.Needs(2, 2, "two SBOMs, each "+oneSBOM, "kverify sbom diff v1.27.1 v1.27.2"),
		ValidArgsFunction: command.CompleteVersions(true, func([]string) []string { return command.Versions() }),
		RunE: a.ReadOnly(&flags, func(ctx context.Context, r *command.ReadOnlyRun, args []string) error {
			one, err := document(ctx, r, args[0])
			if err != nil {
				return err
			}
			two, err := document(ctx, r, args[1])
			if err != nil {
				return err
			}
			delta := sbom.Diff(one.document, two.document)
			v, err1 := release.SBOMVersion(one.document)
			w, err2 := release.SBOMVersion(two.document)
			if err1 == nil && err2 == nil && v != w {
				delta = release.DiffSBOM(one.document, v, two.document, w)
			}
			_, err = r.App.WriteAll(r.Set, func(w io.Writer, format string, o terminal.Options) error {
				return describe.SBOMDiff(w, describe.SBOMDiffView{Old: one.name, New: two.name, Delta: delta, Verbose: r.Set.Verbose}, format, o)
			})
			return err
		}),
	}
	flags.AddReading(c, describe.SBOMFormats...)
	return c
}

func sbomConvertCommand(a *command.App) *cobra.Command {
	var flags command.Shared
	formats := []string{sbom.JSON.String(), sbom.TagValue.String()}
	c := &cobra.Command{
		Use:   "convert VERSION|FILE",
		Short: "Write an SBOM as JSON or as tag-value text",
		Long: `Writes an SBOM in the other form, or in the one that -o names. What is written was read
back before, and says the same; what the other form cannot carry is an error.`,
		Example: command.WithExamples(
			"kverify sbom convert v1.27.2 > release.spdx.json  # tag-value to JSON",
			"kverify sbom convert release.spdx.json -o tag-value=release.spdx  # and back",
		),
		Args:              command.Needs(1, 1, oneSBOM, "kverify sbom convert v1.27.2"),
		ValidArgsFunction: command.CompleteVersions(true, nil),
		RunE: a.ReadOnly(&flags, func(ctx context.Context, r *command.ReadOnlyRun, args []string) error {
			return convert(ctx, r, args[0])
		}),
	}
	flags.AddReading(c, formats...)
	c.Flags().Lookup("output").Usage = "write `FORMAT[=FILE]`: " + command.OrList(formats) + "; repeatable (default the other one)"
	return c
}

func convert(ctx context.Context, r *command.ReadOnlyRun, arg string) error {
	m, err := document(ctx, r, arg)
	if err != nil {
		return err
	}
	if len(r.Set.Output.Values) == 0 && sbom.Detect(m.data) == sbom.JSON {
		r.Set.Outputs = []command.Output{{Format: sbom.TagValue.String()}}
	}
	_, err = r.App.WriteAll(r.Set, func(w io.Writer, format string, _ terminal.Options) error {
		to := sbom.TagValue
		if format == sbom.JSON.String() {
			to = sbom.JSON
		}
		var out bytes.Buffer
		if err := sbom.Convert(&out, m.data, to); err != nil {
			return fmt.Errorf("%s as %s: %w; nothing was written", m.name, to, err)
		}
		// A document is foreign text, and written as it is: but not at a person.
		if _, ok := command.Terminal(w); ok && !terminal.Printable(out.Bytes()) {
			return command.Usagef("%s holds characters that a terminal would act on; write it to a file, -o %s=FILE", m.name, to)
		}
		_, err := w.Write(out.Bytes())
		return err
	})
	return err
}

// material is an SBOM at hand.
type material struct {
	name     string // as given, or its URL
	data     []byte
	document *sbom.Document
}

// document reads the SBOM of a version, or a file.
func document(ctx context.Context, r *command.ReadOnlyRun, arg string) (*material, error) {
	isFile, err := command.VersionOrFile(arg)
	if err != nil {
		return nil, err
	}
	if isFile {
		return readSBOM(ctx, arg)
	}
	version, err := r.Resolve(ctx, arg)
	if err != nil {
		return nil, err
	}
	v, err := r.Ask()
	if err != nil {
		return nil, err
	}
	s, err := v.SBOM(ctx, version)
	if err != nil {
		return nil, err
	}
	url := version.SBOMURL()
	switch verdict := s.Verdict(); {
	case verdict == report.Refuted:
		r.App.Code = command.ExitRefuted
		why := s.Binding.Detail
		if s.Binding.Verdict != report.Refuted {
			why = s.Signature.Detail
		}
		return nil, fmt.Errorf("the SBOM of %s is refuted: %s; nothing of it is shown, see kverify verify %s", version, why, version)
	case s.Document == nil:
		return nil, fmt.Errorf("the SBOM of %s could not be read: %s; for one at hand name its file", version, s.Binding.Detail)
	case verdict == report.Unknown:
		if r.App.Code != command.ExitRefuted {
			r.App.Code = command.ExitUnknown
		}
		r.App.Say("%s: not proved: %s (%s)", url, s.Signature.Detail, s.Signature.Reason)
	case s.Signature.Verdict != report.Verified:
		r.Remark("%s: not signed, as no release of that time is: %s", url, s.Signature.Detail)
	default:
		r.Remark("%s: %s", url, s.Signature.Detail) // wherever it was read
		return &material{name: version.String(), data: s.Source.Body, document: s.Document}, nil
	}
	r.Remark("%s: %s", url, command.Origin(s.Source.Origin))
	return &material{name: version.String(), data: s.Source.Body, document: s.Document}, nil
}

// readSBOM reads a file, of any tool and about anything.
func readSBOM(ctx context.Context, path string) (*material, error) {
	data, err := fetch.ReadInput(ctx, path, sbom.MaxBytes)
	if errors.Is(err, fetch.ErrTooBig) {
		return nil, fmt.Errorf("%s cannot be read: %w; nothing was printed", path, err)
	}
	if err != nil {
		return nil, command.Usagef("%s: %w; name an SPDX document, or a version such as v1.27.2", path, command.PlainError(err))
	}
	doc, err := sbom.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w; nothing was printed", path, err)
	}
	return &material{name: path, data: data, document: doc}, nil
}
