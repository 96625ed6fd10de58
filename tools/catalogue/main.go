// Command catalogue writes pkg/trust/data/catalogue.txt: which digest the images
// of past releases had when they were promoted.
//
//	go run ./tools/catalogue --commit SHA          from kubernetes/k8s.io at that commit, over the network
//	go run ./tools/catalogue --from DIR            from promotion manifests, or extracts of them, in DIR
//
// The same input gives the same bytes. Over the network the rows are held
// against the signed SBOM of every release that has one.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/trust"
	"github.com/kverify/kverify/pkg/verify"
)

func main() {
	transport := &fetch.Retry{Attempts: 4, Next: &fetch.Limiter{Next: fetch.NewTransport(fetch.Options{}), Budgets: fetch.PublishedBudgets()}}
	if err := run(context.Background(), os.Args[1:], transport, nil, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "catalogue:", err)
		os.Exit(1)
	}
}

// run writes the catalogue; root is the trusted root of the SBOMs' signatures,
// nil for the embedded one.
func run(ctx context.Context, args []string, transport http.RoundTripper, root *trust.Root, say io.Writer) error {
	flags := flag.NewFlagSet("catalogue", flag.ContinueOnError)
	flags.SetOutput(say)
	from := flags.String("from", "", "read promotion manifests from this `DIR`")
	commit := flags.String("commit", "", "read promotion manifests of kubernetes/k8s.io at this `COMMIT`")
	out := flags.String("o", "pkg/trust/data/catalogue.txt", "write to this `FILE`")
	if err := flags.Parse(args); err != nil {
		return err
	}
	client := &fetch.Client{Transport: transport}
	var documents []document
	var err error
	switch {
	case (*from == "") == (*commit == ""):
		return errors.New("give --from DIR or --commit SHA")
	case *from != "":
		documents, err = fromDir(*from)
	default:
		documents, err = fromCommit(ctx, client, *commit)
	}
	if err != nil {
		return err
	}
	c, err := generate(trust.EmbeddedPolicy(), documents)
	if err != nil {
		return err
	}
	if *commit != "" {
		v := &verify.Verifier{Fetch: client, Registry: &registry.Client{Fetch: client}, Root: root}
		if err := confirm(ctx, v, c, say); err != nil {
			return err
		}
	}
	for _, line := range c.Coverage() {
		fmt.Fprintf(say, "%-28s %3d tags, %s to %s, %d children\n", line.Image, line.Tags, line.First, line.Last, line.Children)
	}
	return os.WriteFile(*out, c.Text(), 0o644)
}
