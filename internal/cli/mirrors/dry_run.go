package mirrors

import (
	"context"
	"fmt"
	"strings"

	"github.com/kverify/kverify/internal/command"
	"github.com/kverify/kverify/internal/render/terminal"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/mirror/create"
	"github.com/kverify/kverify/pkg/report"
)

// wouldFetch is what a dry run has counted, each file once.
type wouldFetch struct {
	seen                  map[string]bool // paths in the mirror
	blobs, files, unsized int
	blobBytes, fileBytes  int64
	there                 int
	thereBytes            int64
	notVerified           bool
}

// list prints what would be brought in of one release.
func (o *wouldFetch) list(ctx context.Context, a *command.App, set *command.Settings, client *fetch.Client, w create.Request, plan *create.Plan) error {
	if o.seen == nil {
		o.seen = map[string]bool{}
	}
	var urls []string
	var ask []*create.Item
	for _, it := range plan.Items {
		if it.URL != "" && !it.AlreadyThere {
			urls, ask = append(urls, it.URL), append(ask, it)
		}
	}
	for i, n := range a.Lengths(ctx, set, client, urls) {
		ask[i].Size = n
	}
	var b strings.Builder
	for _, it := range plan.Items {
		if o.seen[it.Path] {
			continue
		}
		o.seen[it.Path] = true
		if it.AlreadyThere {
			o.there++
			o.thereBytes += it.Size
			continue
		}
		o.count(it)
		fmt.Fprintf(&b, "%s  %9s  %s\n", w.Version, command.SizeText(it.Size), it.Name)
	}
	_, err := fmt.Fprint(a.Stdout, terminal.EscapeLines(b.String()))
	verdict := plan.Report.Verdict()
	if code := command.VerdictExit[verdict]; a.Code == command.ExitVerified || code == command.ExitRefuted { // which outweighs an unknown
		a.Code = code
	}
	if verdict != report.Verified {
		o.notVerified = true
		a.Say("%s: images and documents are %s: %s", w.Version, verdict, command.Cause(plan.Report))
	}
	return err
}

func (o *wouldFetch) count(it *create.Item) {
	size := max(it.Size, 0)
	if it.Size < 0 {
		o.unsized++
	}
	if it.URL == "" {
		o.blobs++
		o.blobBytes += size
		return
	}
	o.files++
	o.fileBytes += size
}

// total says how much it is, and how much is there already.
func (o *wouldFetch) total(a *command.App) error {
	text := "total  nothing to fetch"
	if o.blobs+o.files > 0 {
		text = fmt.Sprintf("total  %s: %s of %s, %s of %s", command.BytesText(o.blobBytes+o.fileBytes),
			command.Count(o.blobs, "blob"), command.BytesText(o.blobBytes), command.Count(o.files, "file"), command.BytesText(o.fileBytes))
	}
	if o.unsized > 0 {
		text += fmt.Sprintf("\n       and %s of unknown size", command.Count(o.unsized, "file"))
	}
	if o.there > 0 {
		text += fmt.Sprintf("\nthere  %s in %s", command.BytesText(o.thereBytes), command.Count(o.there, "file"))
	}
	_, err := fmt.Fprintln(a.Stdout, text)
	verified := "images and documents are verified; "
	if o.notVerified {
		verified = ""
	}
	a.Say("%snothing was fetched, and nothing was written", verified)
	return err
}
