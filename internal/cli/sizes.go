package cli

import (
	"context"

	"github.com/kverify/kverify/internal/command"
	"github.com/kverify/kverify/internal/par"
	"github.com/kverify/kverify/pkg/fetch"
)

// filesAtOnce is how many files travel side by side: enough to hide the round
// trips of small ones, few enough to share a line and to bound the memory.
const filesAtOnce = 8

// lengths asks the servers how large files are, which no signed document says; -1
// where one does not say.
func lengths(ctx context.Context, a *command.App, set *command.Settings, client *fetch.Client, urls []string) []int64 {
	sizes := make([]int64, len(urls))
	a.Await(set, "the sizes of "+command.Count(len(urls), "file"), func() {
		par.Map(ctx, len(urls), min(filesAtOnce, set.Jobs), func(ctx context.Context, i int) {
			n, err := client.Length(ctx, urls[i])
			if sizes[i] = n; err != nil {
				sizes[i] = -1
			}
		}, func(i int) { sizes[i] = -1 })
	})
	return sizes
}

// sized is a size for a column.
func sized(n int64) string {
	if n < 0 {
		return "?"
	}
	return command.BytesText(n)
}
