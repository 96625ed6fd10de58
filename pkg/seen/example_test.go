package seen_test

import (
	"context"
	"fmt"
	"iter"
	"strings"

	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/seen"
	"github.com/kverify/kverify/pkg/sight"
	"github.com/kverify/kverify/pkg/trust"
	"github.com/kverify/kverify/pkg/verify"
)

// What a cluster's nodes hold is judged by one look at what Kubernetes published. Here
// nothing of the list is Kubernetes', so that nothing is asked, and nothing is verified.
func ExampleJudge_Judge() {
	client := &fetch.Client{}
	judge := &seen.Judge{
		Verifier: &verify.Verifier{Fetch: client, Registry: &registry.Client{Fetch: client}},
		Names:    seen.NamesOf(trust.EmbeddedPolicy(), sight.Mapping{}),
	}
	list := sight.NewList("-", strings.NewReader("docker.io/library/nginx:1.27\n"))
	rep, err := judge.Judge(context.Background(), seen.Input{
		Subjects: []string{"-f -"},
		Lists:    []iter.Seq2[sight.Sighting, error]{list.All(context.Background())},
	})
	fmt.Println(rep.Verdict(), rep.Scope.Others, err)
	// Output: unknown [docker.io/library/nginx:1.27] <nil>
}
