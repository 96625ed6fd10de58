package expect

const (
	verified = "verified"
	unknown  = "unknown"

	absent      = "unknown absent"
	unreachable = "unknown unreachable"
	noClaim     = "unknown noClaim"
	incomplete  = "unknown incomplete"
)

func row(e Era, s Subject, from Source, f Fault, verdict, rules string, reasons ...string) Row {
	return Row{Key{e, s, from, f}, verdict, reasons, rules}
}

// Table is read from above: the first row that fits says it.
var Table = []Row{
	// What cannot be reached, or is absent, is unknown, and never refuted (1).
	row(AnyEra, Images, Live, NoRegistry, unknown, "1", unreachable, noClaim, incomplete),
	row(AnyEra, Tag, Live, NoRegistry, unknown, "1", unreachable, noClaim),
	row(AnyEra, Images, Live, NoSignature, unknown, "1, 13, 20", absent, noClaim),
	row(AnyEra, Tag, Live, NoSignature, unknown, "1, 13, 20", absent, noClaim),

	// Without the SBOM a published promotion manifest binds an image (8). The SBOM itself, of
	// a release that has one, is expected and missing (2).
	row(Signed, Images, Live, NoSBOM, unknown, "2, 8", absent),
	row(Signed, Tag, Live, NoSBOM, unknown, "2, 8", absent),
	row(Unsigned, Images, Live, NoSBOM, verified, "8"),
	row(Unsigned, Tag, Live, NoSBOM, verified, "8"),

	// The log is asked about the file's signature alone: an image's has its entry with it (15, 16).
	row(Signed, Images, Live, NoLog, unknown, "8, 16", unreachable),
	row(Signed, Tag, Live, NoLog, unknown, "8, 16", unreachable),
	row(Unsigned, Images, Live, NoLog, verified, "8, 15"),
	row(Unsigned, Tag, Live, NoLog, verified, "8, 15"),

	// The CHANGELOG is one of the lists that are joined (2); an image's own binding needs none.
	row(AnyEra, Images, Live, NoChangelog, unknown, "2", absent, incomplete),
	row(AnyEra, Tag, Live, NoChangelog, verified, "8, 9"),

	// What binds is the signed SBOM (9) or, before there was one, the promotion manifest (8).
	row(Signed, Images, Live, NoPromotion, verified, "9, 13"),
	row(Signed, Tag, Live, NoPromotion, verified, "9, 13"),
	row(Unsigned, Images, Live, NoPromotion, unknown, "3, 8, 9", noClaim, absent),
	row(Unsigned, Tag, Live, NoPromotion, unknown, "3, 8, 9", noClaim, absent),

	// Files: a tarball is bound by what another party published, a single program by nothing
	// before it was signed (10).
	row(Signed, Program, Live, None, verified, "10"),
	row(Unsigned, Program, Live, None, unknown, "10", noClaim, absent),
	row(AnyEra, Tarball, Live, None, verified, "8, 10"),
	row(AnyEra, ImageTar, Live, None, verified, "28, 31"), // judged as the copy of an image that it is

	// Images where nothing is wrong.
	row(AnyEra, Images, Live, None, verified, "8, 9, 13, 20"),
	row(AnyEra, Tag, Live, None, verified, "8, 9, 13, 20"),
	row(AnyEra, Digest, Live, None, verified, "8, 9, 20"),
	row(AnyEra, PlatformDigest, Live, None, verified, "20"),
	row(AnyEra, BareDigest, Live, None, verified, "27, 28"),
	row(AnyEra, OneArch, Live, None, verified, "20, 21"),
	row(AnyEra, Companion, Live, None, verified, "8, 20"),
	row(AnyEra, Copy, Live, None, verified, "28, 29, 31"),
	row(AnyEra, Artifact, Live, None, verified, "8, 33"),

	// In a mirror a promotion manifest is carried, and can only refute (7, 24).
	row(Signed, Images, Mirror, None, verified, "7, 9, 26"),
	row(Signed, Tag, Mirror, None, verified, "7, 9, 26"),
	row(Signed, Program, Mirror, None, verified, "7, 10"),
	row(Signed, Tarball, Mirror, None, verified, "7, 10"),
	row(Unsigned, Images, Mirror, None, unknown, "7, 8, 24", noClaim),
	row(Unsigned, Tag, Mirror, None, unknown, "7, 8, 24", noClaim),
	row(Unsigned, Program, Mirror, None, unknown, "7, 10", noClaim, absent),
	row(Unsigned, Tarball, Mirror, None, unknown, "7, 8, 10", noClaim),
	row(AnyEra, Companion, Mirror, None, unknown, "7, 8, 24", noClaim, absent), // absent where it was not asked for

	// What was published when an operator signed the mirror counts inside too, and nothing else (24).
	row(AnyEra, Images, Vouched, None, verified, "9, 24, 26"),
	row(AnyEra, Tag, Vouched, None, verified, "9, 24, 26"),
	row(Signed, Program, Vouched, None, verified, "10, 24"),
	row(Unsigned, Program, Vouched, None, unknown, "10, 24", noClaim, absent),
	row(AnyEra, Tarball, Vouched, None, verified, "10, 24"),
	row(AnyEra, Companion, Vouched, None, verified, "8, 20, 24"),
}
