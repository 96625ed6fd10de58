package render

import (
	"iter"
	"strings"

	"github.com/kverify/kverify/pkg/report"
)

// each are the results of a report. It may have very many, and none is copied.
func each(results []report.Result) iter.Seq2[int, *report.Result] {
	return func(yield func(int, *report.Result) bool) {
		for i := range results {
			if !yield(i, &results[i]) {
				return
			}
		}
	}
}

// A group is an image with its platforms.
type group struct {
	title string
	rows  []row
}

type row struct {
	label string
	*report.Result
}

// groups sorts the images' results under the image they belong to, in the
// order of the report.
func groups(results []report.Result) []group {
	var list []group
	at := map[string]int{}
	for _, res := range each(results) {
		if res.Kind != kindImage {
			continue
		}
		title, label := groupAndLabel(res)
		i, ok := at[title]
		if !ok {
			i = len(list)
			at[title] = i
			list = append(list, group{title: title})
		}
		list[i].rows = append(list[i].rows, row{label, res})
	}
	return list
}

// unread is the row of what was seen and not read, of which nobody knows whether it is an index.
const unread = "-"

// groupAndLabel names the group of an image's result, and its row there. A per-architecture
// repository (kube-proxy-arm64) stands with its image.
func groupAndLabel(res *report.Result) (title, label string) {
	if res.Platform == "" {
		if res.Digest == "" && isCopy(res) {
			return res.Subject, unread
		}
		return res.Subject, "index"
	}
	_, arch, _ := strings.Cut(res.Platform, "/")
	arch, _, _ = strings.Cut(arch, ":")
	arch, _, _ = strings.Cut(arch, "/")
	slash := strings.LastIndexByte(res.Subject, '/') + 1
	end := strings.IndexAny(res.Subject[slash:], ":@")
	if end < 0 {
		return res.Subject, res.Platform
	}
	end += slash
	image, ok := strings.CutSuffix(res.Subject[:end], "-"+arch)
	if !ok {
		return res.Subject, res.Platform
	}
	return image + res.Subject[end:], res.Platform + " in " + res.Subject[slash:end]
}
