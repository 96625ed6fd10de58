package command

import (
	"context"

	"github.com/kverify/kverify/internal/par"
	"github.com/kverify/kverify/pkg/fetch"
)

// FilesAtOnce is how many files travel side by side: enough to hide the round trips of
// small ones and to keep each connection that a host may get busy to the last file, few
// enough to bound the memory.
const FilesAtOnce = 12

// Lengths asks the servers how large files are, which no signed document says; -1
// where one does not say.
func (a *App) Lengths(ctx context.Context, set *Settings, client *fetch.Client, urls []string) []int64 {
	sizes := make([]int64, len(urls))
	a.Await(set, "the sizes of "+Count(len(urls), "file"), func() {
		par.Map(ctx, len(urls), min(FilesAtOnce, set.Jobs), func(ctx context.Context, i int) {
			n, err := client.Length(ctx, urls[i])
			if sizes[i] = n; err != nil {
				sizes[i] = -1
			}
		}, func(i int) { sizes[i] = -1 })
	})
	return sizes
}

// SizeText is a size for a column.
func SizeText(n int64) string {
	if n < 0 {
		return "?"
	}
	return BytesText(n)
}
