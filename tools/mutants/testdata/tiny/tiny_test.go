package tiny

import "testing"

func TestJudge(t *testing.T) {
	for name, want := range map[string]Verdict{"good": Verified, "bad": Refuted, "other": Unknown} {
		if v, _ := Judge(name, 1); v != want {
			t.Errorf("%s is %v", name, v)
		}
	}
	if v, _ := Judge("good", 12); v != Unknown {
		t.Errorf("what is large is %v", v)
	}
}

func TestLast(t *testing.T) {
	if got := Last([]string{"a", "skip", "b", "bad", "c"}); got != 2 {
		t.Errorf("%d", got)
	}
}

func TestUntil(t *testing.T) {
	if got := Until([]string{"a", "b", "", "c"}); got != 2 {
		t.Errorf("%d", got)
	}
}

func TestLimit(t *testing.T) {
	if Limit() != 10 {
		t.Error(Limit())
	}
}

func TestFails(t *testing.T) {
	Unwatched(true, true)
	t.Fatal("by itself")
}
