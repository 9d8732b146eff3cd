namespace Hearth.Runtime.Tokenizers.Splitting;

/// <summary>How a byte-level vocabulary's text is cut into words before merging, and the defaults that go with it.</summary>
internal sealed record PreTokenizer
{
    /// <summary>The stages, applied in turn: each cuts the words of the one before.</summary>
    public required IReadOnlyList<WordSplitter> Stages { get; init; }

    /// <summary>A word that is a token as it stands is not merged up.</summary>
    public bool IgnoresMerges { get; init; }

    /// <summary>Texts begin with the begin-of-text token unless the metadata say otherwise.</summary>
    public bool AddsBeginOfText { get; init; }

    /// <summary>Texts begin with it whatever the metadata say.</summary>
    public bool ForcesBeginOfText { get; init; }

    /// <summary>Without a key for it there is no begin-of-text token, not even the model's usual one.</summary>
    public bool LacksBeginOfText { get; init; }

    /// <summary>Tokens are spelled in GPT-2's printable stand-ins for bytes; otherwise in plain UTF-8 with &lt;0xHH&gt; for the rest.</summary>
    public bool IsByteEncoded { get; init; } = true;

    /// <summary>Spaces are written as U+2581 in the vocabulary.</summary>
    public bool EscapesSpaces { get; init; }

    /// <summary>Text is not made lower case unless the metadata say so.</summary>
    public bool KeepsCase { get; init; }

    /// <summary>A word of line feeds only is looked up whole first.</summary>
    public bool KeepsLineFeedRuns { get; init; }

    /// <summary>Appends the ends of the text's words, in code points, to <paramref name="ends"/>; <paramref name="spare"/> is scratch space.</summary>
    public void Split(CodePointText text, ref List<int> ends, ref List<int> spare)
    {
        ends.Clear();
        if (text.Count == 0)
        {
            return;
        }

        Stages[0].Split(text, 0, text.Count, ends);
        foreach (var stage in Stages.Skip(1))
        {
            spare.Clear();
            var start = 0;
            foreach (var end in ends)
            {
                stage.Split(text, start, end, spare);
                start = end;
            }

            (ends, spare) = (spare, ends);
        }
    }
}

/// <summary>The pre-tokenizers by their names in <c>tokenizer.ggml.pre</c>.</summary>
internal static class PreTokenizers
{
    private const string CjkIdeographs = "\u4E00-\u9FA5";
    private const string Kana = "\u3040-\u309F\u30A0-\u30FF";

    private const string CasedLetters =
        "A-Za-z\u00B5\u00C0-\u00D6\u00D8-\u00F6\u00F8-\u01BA\u01BC-\u01BF\u01C4-\u0293\u0295-\u02AF\u0370-\u0373\u0376\u0377"
        + "\u037B-\u037D\u037F\u0386\u0388-\u038A\u038C\u038E-\u03A1\u03A3-\u03F5\u03F7-\u0481\u048A-\u052F\u0531-\u0556"
        + "\u10A0-\u10C5\u13A0-\u13F5\u13F8-\u13FD\u1C90-\u1CBA\u1CBD-\u1CBF\u1D00-\u1D2B\u1D6B-\u1D77\u1D79-\u1D9A"
        + "\u1E00-\u1F15\u1F18-\u1F1D\u1F20-\u1F45\u1F48-\u1F4D\u1F50-\u1F57\u1F59\u1F5B\u1F5D\u1F5F-\u1F7D\u1F80-\u1FB4"
        + "\u1FB6-\u1FBC\u1FBE\u1FC2-\u1FC4\u1FC6-\u1FCC\u1FD0-\u1FD3\u1FD6-\u1FDB\u1FE0-\u1FEC\u1FF2-\u1FF4\u1FF6-\u1FFC"
        + "\u2102\u2107\u210A-\u2113\u2115\u2119-\u211D\u2124\u2126\u2128\u212A-\u212D\u212F-\u2134\u2139\u213C-\u213F"
        + "\u2145-\u2149\u214E\u2183\u2184\u2C00-\u2C7B\u2C7E-\u2CE4\u2CEB-\u2CEE\u2CF2\u2CF3\uA640-\uA66D\uA680-\uA69B"
        + "\uA722-\uA76F\uA771-\uA787\uA78B-\uA78E\uAB70-\uABBF\uFB00-\uFB06\uFB13-\uFB17\uFF21-\uFF3A\uFF41-\uFF5A"
        + "\U00010400-\U0001044F\U000104B0-\U000104D3\U000104D8-\U000104FB\U00010C80-\U00010CB2\U00010CC0-\U00010CF2"
        + "\U000118A0-\U000118DF\U0001E900-\U0001E943";

    private const string AsianScripts =
        "\u4E00-\u9FFF\u3400-\u4DBF\u8C48-\uFAFF\u3040-\u309F\u30A0-\u30FF\uFF65-\uFF9F\u2F00-\u2FDF\u0E40-\u0E7F\u0E80-\u0EFF"
        + "\u1780-\u17FF\u1000-\u109F\uAA60-\uAA7F\uA9E0-\uA9FF\uAC00-\uD7AF\u1100-\u11FF";

    private const string Sentences = "(|.,!?\u2026\u3002\uFF0C\u3001\u0964\u06D4\u060C)";

    private static readonly WordSplitter s_gpt2 = new Gpt2Scanner();
    private static readonly WordSplitter s_llama3 = new Llama3Scanner(longestNumber: 3);
    private static readonly WordSplitter s_qwen2 = new Llama3Scanner(longestNumber: 1);
    private static readonly WordSplitter s_qwen35 = new Llama3Scanner(longestNumber: 1, marksAreLetters: true);
    private static readonly WordSplitter s_digits = new RunSplitter(CharacterSet.OfUnits(Units.N), longest: 1);
    private static readonly WordSplitter s_numbers = new RunSplitter(CharacterSet.OfUnits(Units.N));
    private static readonly WordSplitter s_numbersOfThree = new RunSplitter(CharacterSet.OfUnits(Units.N), longest: 3);
    private static readonly WordSplitter s_lineEnds = new RunSplitter(CharacterSet.OfUnits("\r\n"), longest: 1);
    private static readonly WordSplitter s_lines = new RunSplitter(CharacterSet.OfUnits("\n"));
    private static readonly WordSplitter s_digitTriples = new DigitTripleSplitter();
    private static readonly WordSplitter s_deepSeekV3 = new RegexSplitter(Patterns.DeepSeekV3);
    private static readonly WordSplitter s_sentences = new RunSplitter(CharacterSet.AllBut(Sentences), RunPrefix.Space);
    private static readonly WordSplitter s_eastAsian = new RunSplitter(CharacterSet.OfCodePoints("\u0800-\u4E00" + CjkIdeographs + "\uAC00-\uD7FF"));

    private static readonly PreTokenizer s_default = new()
    {
        Stages = [new RunSplitter(CharacterSet.OfUnits(Units.P + "$+<=>^~|")), s_gpt2, s_numbers, s_digitTriples],
    };

    private static readonly PreTokenizer s_llama3Like = new() { Stages = [s_llama3], IgnoresMerges = true, AddsBeginOfText = true };
    private static readonly PreTokenizer s_llama3WithMerges = new() { Stages = [s_llama3] };
    private static readonly PreTokenizer s_gpt2Like = new() { Stages = [s_gpt2] };
    private static readonly PreTokenizer s_qwen2Like = new() { Stages = [s_qwen2] };
    private static readonly PreTokenizer s_digitsThenGpt2 = new() { Stages = [s_digits, s_gpt2] };
    private static readonly PreTokenizer s_sentenceRuns = new() { Stages = [s_sentences] };
    private static readonly PreTokenizer s_gpt4oLike = new() { Stages = [new RegexSplitter(Patterns.Gpt4O)] };
    private static readonly PreTokenizer s_bailing = new() { Stages = [new RegexSplitter(Patterns.BailingMoe)] };
    private static readonly PreTokenizer s_glm = new() { Stages = [s_llama3], LacksBeginOfText = true };

    private static readonly PreTokenizer s_deepSeekV3Like = new()
    {
        Stages = [s_numbersOfThree, new RunSplitter(CharacterSet.OfCodePoints(Kana + CjkIdeographs)), s_deepSeekV3],
    };

    private static readonly PreTokenizer s_tinyAya = new() { Stages = [new DigitGroupScanner(), new RegexSplitter(Patterns.TinyAya)] };

    private static readonly PreTokenizer s_gemma4 = new()
    {
        Stages = [s_lines],
        IsByteEncoded = false,
        EscapesSpaces = true,
        KeepsLineFeedRuns = true,
        ForcesBeginOfText = true,
    };

    private static readonly Dictionary<string, PreTokenizer> s_byName = new(StringComparer.Ordinal)
    {
        ["default"] = s_default,
        ["llama3"] = s_llama3Like,
        ["llama-v3"] = s_llama3Like,
        ["llama-bpe"] = s_llama3Like,
        ["falcon3"] = s_llama3Like,
        ["falcon-h1"] = s_llama3Like,
        ["pixtral"] = s_llama3Like,
        ["midm-2.0"] = s_llama3Like,
        ["lfm2"] = s_llama3Like,
        ["jina-v5-nano"] = s_llama3Like,
        ["dbrx"] = s_llama3WithMerges,
        ["smaug-bpe"] = s_llama3WithMerges,
        ["glm4"] = s_glm,
        ["chatglm-bpe"] = s_glm,
        ["minicpm5"] = new() { Stages = [s_numbersOfThree, new RegexSplitter(Patterns.MiniCpm5)], IgnoresMerges = true },
        ["jais-2"] = new() { Stages = [new RegexSplitter(Patterns.Jais2)] },
        ["deepseek-llm"] = new()
        {
            Stages =
            [
                s_lineEnds,
                new RunSplitter(CharacterSet.OfCodePoints(CasedLetters), RunPrefix.WhiteSpace),
                new RunSplitter(CharacterSet.OfCodePoints("!-/:-~\uFF01-\uFF0F\uFF1A-\uFF5E\u2018-\u201F\u3000-\u3002"), RunPrefix.WhiteSpace),
                new TrailingSpaceScanner(),
                s_eastAsian,
                s_numbers,
            ],
        },
        ["deepseek-coder"] = new()
        {
            Stages =
            [
                s_lineEnds,
                new RunSplitter(CharacterSet.OfUnits(Units.L), RunPrefix.WhiteSpace),
                new RunSplitter(CharacterSet.OfUnits(Units.P), RunPrefix.WhiteSpace),
                s_eastAsian,
                s_digits,
            ],
        },
        ["deepseek-v3"] = s_deepSeekV3Like,
        ["hunyuan-dense"] = s_deepSeekV3Like,
        ["joyai-llm"] = s_deepSeekV3Like,
        ["youtu"] = new()
        {
            Stages =
            [
                new RunSplitter(CharacterSet.OfCodePoints("\uAC00-\uD7A3\u3131-\u318E")),
                new RunSplitter(CharacterSet.OfCodePoints("\uFF01\u2026\u201C\u201D\u2018\u2019\u2014\uFF1A\uFF1B\uFF0C\u3001-\u303F\uFE30-\uFE4F")),
                new RunSplitter(CharacterSet.OfCodePoints("\u3105-\u312F")),
                new RunSplitter(CharacterSet.OfCodePoints(Kana + CjkIdeographs)),
                new RegexSplitter(Patterns.Youtu),
            ],
            IgnoresMerges = true,
        },
        ["falcon"] = new()
        {
            Stages = [new RunSplitter(CharacterSet.OfUnits(Units.P + "$+<=>^~|`")), s_gpt2, s_digitTriples],
        },
        ["gpt-2"] = s_gpt2Like,
        ["phi-2"] = s_gpt2Like,
        ["mpt"] = s_gpt2Like,
        ["olmo"] = s_gpt2Like,
        ["jais"] = s_gpt2Like,
        ["trillion"] = s_gpt2Like,
        ["granite-docling"] = s_gpt2Like,
        ["exaone4"] = s_gpt2Like,
        ["jina-es"] = s_gpt2Like,
        ["jina-de"] = s_gpt2Like,
        ["jina-v1-en"] = s_gpt2Like,
        ["jina-v2-es"] = s_gpt2Like,
        ["jina-v2-de"] = s_gpt2Like,
        ["jina-v2-code"] = s_gpt2Like,
        ["roberta-bpe"] = s_gpt2Like,
        ["gigachat"] = s_gpt2Like,
        ["a.x-4.0"] = s_gpt2Like,
        ["mellum"] = s_gpt2Like,
        ["modern-bert"] = s_gpt2Like,
        ["starcoder"] = s_digitsThenGpt2,
        ["refact"] = s_digitsThenGpt2,
        ["command-r"] = s_digitsThenGpt2,
        ["smollm"] = s_digitsThenGpt2,
        ["codeshell"] = s_digitsThenGpt2,
        ["exaone"] = s_digitsThenGpt2,
        ["minerva-7b"] = s_digitsThenGpt2,
        ["mellum2"] = s_digitsThenGpt2,
        ["stablelm2"] = s_qwen2Like,
        ["qwen2"] = s_qwen2Like,
        ["deepseek-r1-qwen"] = s_qwen2Like,
        ["kormo"] = s_qwen2Like,
        ["f2llmv2"] = s_qwen2Like,
        ["megrez"] = s_qwen2Like,
        ["hunyuan"] = s_qwen2Like,
        ["solar-open"] = s_qwen2Like,
        ["grok-2"] = s_qwen2Like,
        ["qwen35"] = new() { Stages = [s_qwen35] },
        ["laguna"] = new() { Stages = [s_lines, s_qwen2] },
        ["poro-chat"] = s_sentenceRuns,
        ["bloom"] = s_sentenceRuns,
        ["gpt3-finnish"] = s_sentenceRuns,
        ["viking"] = new() { Stages = [s_sentences, s_digits] },
        ["tekken"] = new() { Stages = [new RegexSplitter(Patterns.Tekken)], IgnoresMerges = true, AddsBeginOfText = true },
        ["chameleon"] = new()
        {
            Stages =
            [
                new RegexSplitter(Patterns.ChameleonSentinel),
                new RegexSplitter(Patterns.ChameleonImage),
                new RegexSplitter(Patterns.ChameleonIndent),
                s_digits,
                new RunSplitter(CharacterSet.OfUnits("!-/:-@[-`{-~" + Units.Punctuation), longest: 1),
                s_gpt2,
            ],
            AddsBeginOfText = true,
        },
        ["gpt-4o"] = s_gpt4oLike,
        ["llama4"] = s_gpt4oLike,
        ["kanana2"] = s_gpt4oLike,
        ["talkie"] = s_gpt4oLike,
        ["minimax-m2"] = s_gpt4oLike,
        ["granite-embed-multi-97m"] = new() { Stages = [new RegexSplitter(Patterns.GraniteEmbedding)], IgnoresMerges = true },
        ["tiny_aya"] = s_tinyAya,
        ["cohere2moe"] = s_tinyAya,
        ["kimi-k2"] = new() { Stages = [new KimiScanner()] },
        ["superbpe"] = new() { Stages = [s_numbers, new ThousandsScanner()] },
        ["bailingmoe"] = s_bailing,
        ["bailingmoe2"] = s_bailing,
        ["llada-moe"] = s_bailing,
        ["seed-coder"] = new() { Stages = [new RegexSplitter(Patterns.SeedCoder)] },
        ["afmoe"] = new() { Stages = [new DigitGroupScanner(), new RunSplitter(CharacterSet.OfCodePoints(AsianScripts)), s_deepSeekV3] },
        ["exaone-moe"] = new() { Stages = [new RegexSplitter(Patterns.ExaoneMoe)] },
        ["gemma4"] = s_gemma4,
        ["granite-embed-multi-311m"] = s_gemma4,
        ["sarvam-moe"] = new() { Stages = [s_lines], IsByteEncoded = false, EscapesSpaces = true },
        ["whitespace"] = new() { Stages = [new RunSplitter(CharacterSet.AllBut(""))], IsByteEncoded = false, KeepsCase = true },
    };

    /// <summary>All names, in the order of the table.</summary>
    public static IEnumerable<string> Names => s_byName.Keys;

    /// <summary>The pre-tokenizer of a name; an absent or empty name means <c>default</c>, as in the reference.</summary>
    /// <exception cref="UnsupportedModelException">The name is unknown.</exception>
    public static PreTokenizer ByName(string? name)
        => string.IsNullOrEmpty(name) ? s_default
            : s_byName.GetValueOrDefault(name) ?? throw new UnsupportedModelException($"pre-tokenizer '{name}' (tokenizer.ggml.pre)", Names);
}
