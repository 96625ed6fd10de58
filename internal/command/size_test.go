package command

import "testing"

func TestParseSize(t *testing.T) {
	for text, want := range map[string]int64{
		"4GB": 4e9, "4G": 4e9, "650MB": 650e6, "4GiB": 4 << 30, "4Gi": 4 << 30, "7kB": 7000, "7KB": 7000, "1TiB": 1 << 40, "123": 123, "123B": 123, "0": 0,
	} {
		if got, err := ParseSize(text); err != nil || got != want {
			t.Errorf("%s: %d %v", text, got, err)
		}
	}
	for _, text := range []string{"", "GB", "-1", "1.5GB", "1 GB", "4gb", "4iB", "1EB", "9999999999999999999", "999999999999TB"} {
		if got, err := ParseSize(text); err == nil {
			t.Errorf("%q: %d", text, got)
		}
	}
	if got, err := ParseSize("9223372TB"); err != nil || got != 9223372e12 {
		t.Errorf("%d %v", got, err)
	}
}
