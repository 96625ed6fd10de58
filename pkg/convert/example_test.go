package convert_test

import (
	"fmt"

	"github.com/kverify/kverify/pkg/convert"
)

// What skopeo writes to "oci:" in place of a config, and what is lost by it.
func ExampleConfigs() {
	genuine := []byte(`{"architecture":"arm64","variant":"v8","os":"linux","config":{"Entrypoint":["/kube-proxy"],"Healthcheck":{"Test":["CMD","/ok"]}},"rootfs":{"type":"layers","diff_ids":[]}}`)
	configs, err := convert.Configs(genuine)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, c := range configs {
		fmt.Printf("%s\n  %s\n  without %v\n", c.Form, c.Bytes, c.Dropped)
	}
	// Output:
	// containers/image (image-spec 1.0)
	//   {"architecture":"arm64","os":"linux","config":{"Entrypoint":["/kube-proxy"]},"rootfs":{"type":"layers","diff_ids":[]}}
	//   without [config.Healthcheck variant]
	// containers/image (image-spec 1.1.0-rc1)
	//   {"architecture":"arm64","variant":"v8","os":"linux","config":{"Entrypoint":["/kube-proxy"]},"rootfs":{"type":"layers","diff_ids":[]}}
	//   without [config.Healthcheck]
	// containers/image (image-spec 1.1)
	//   {"architecture":"arm64","os":"linux","variant":"v8","config":{"Entrypoint":["/kube-proxy"]},"rootfs":{"type":"layers","diff_ids":[]}}
	//   without [config.Healthcheck]
}

// A config that no converter made, over layers that may be genuine.
func ExampleDifferences() {
	run, rest, err := convert.Differences(
		[]byte(`{"os":"linux","config":{"Entrypoint":["/kube-proxy"]},"created":"2024-05-14T08:28:13Z"}`),
		[]byte(`{"os":"linux","config":{"Entrypoint":["/evil","/kube-proxy"]}}`))
	fmt.Println(run, rest, err)
	// Output: [Entrypoint] [created] <nil>
}
