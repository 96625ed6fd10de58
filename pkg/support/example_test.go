package support_test

import (
	"fmt"
	"time"

	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/support"
)

func Example() {
	now := time.Date(2026, 6, 10, 0, 0, 0, 0, time.UTC)
	schedule := support.Embedded() // or support.Load, from its publisher
	for _, c := range schedule.Supported(now) {
		newest, _ := c.Newest(now)
		fmt.Println(c.Minor, c.Phase(now), newest.Version, c.EndOfLife)
	}
	v, _ := release.ParseVersion("v1.27.2")
	fmt.Println(schedule.Warning(v, now))
	// Output:
	// 1.36 supported v1.36.2 2027-06-28
	// 1.35 supported v1.35.6 2027-02-28
	// 1.34 supported v1.34.9 2026-10-27
	// 1.33 maintenance v1.33.13 2026-06-28
	// v1.27.2 is past its end of life (1.27 ended on 2024-07-16) and not its newest patch, v1.27.16
}

func ExampleCheck() {
	skew, _ := support.Check([]support.Instance{
		{Component: support.APIServer, Minor: support.Minor{Major: 1, Minor: 27}},
		{Component: support.APIServer, Minor: support.Minor{Major: 1, Minor: 26}},
		{Component: support.Kubelet, Minor: support.Minor{Major: 1, Minor: 27}},
	})
	for _, f := range skew.Findings {
		for _, v := range f.Violations {
			fmt.Println(v.Why)
			fmt.Println(v.Rule.Sentence)
			fmt.Println(f.Allowed)
		}
	}
	// Output:
	// kubelet 1.27 is newer than kube-apiserver 1.26
	// kubelet is not newer than any kube-apiserver, and at most three minor versions older
	// [1.25 1.26]
}
