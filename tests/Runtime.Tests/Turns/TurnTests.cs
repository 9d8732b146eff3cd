using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Hearth.Runtime.Chat.Dialects;
using Hearth.Runtime.Constraints;
using Hearth.Runtime.Constraints.Tokens;
using Hearth.Runtime.Tests.Constraints.Walks;
using Hearth.Runtime.Tests.Tokenizers;
using Hearth.Runtime.Tokenizers;
using Hearth.Runtime.Turns;
using Json.Schema;

namespace Hearth.Runtime.Tests.Turns;

/// <summary>Calls in every dialect: what templates write is read back, and what a constraint lets through is always a call that fits.</summary>
public sealed partial class TurnTests
{
    private static readonly string[] s_parameters =
    [
        """{"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1, "maximum": 14}}, "required": ["city"]}""",
        """{"type": "object", "properties": {"query": {"type": "string", "minLength": 2, "maxLength": 9}, "limit": {"type": ["integer", "null"]}, "sort": {"enum": ["new", "old", 3]}, "filter": {"type": "object", "properties": {"tags": {"type": "array", "items": {"type": "string"}, "maxItems": 2}}, "additionalProperties": false}}, "required": ["query", "sort"]}""",
        """{"type": "object", "properties": {}}""",
        """{"type": "object", "properties": {"on": {"type": "boolean"}, "either": {"type": ["string", "number", "boolean"], "maxLength": 5}, "when": {"type": "string", "format": "date"}}, "required": ["on", "either"]}""",
    ];

    private static readonly string[] s_names = ["get_weather", "search", "get", "switch.lamp-1"];

    private static JsonObject[] Tools() => [.. s_names.Select((name, i) => new JsonObject
    {
        ["type"] = "function",
        ["function"] = new JsonObject { ["name"] = name, ["description"] = "A tool.", ["parameters"] = JsonNode.Parse(s_parameters[i]) },
    })];

    private static ChatTurnRequest Request(ToolChoice? choice = null, bool parallel = true) => new()
    {
        Chat = new ChatPrompt { Messages = [new("user", "Hello")], Tools = Tools() },
        ToolChoice = choice ?? ToolChoice.Required,
        ParallelToolCalls = parallel,
    };

    // Markers of a syntax as control tokens of a vocabulary, which otherwise spells text in pieces and bytes.
    private static Tokenizer Vocabulary(CallSyntax syntax, bool isMarked)
    {
        var vocabulary = TinyVocabulary.SentencePiece();
        foreach (var piece in new[] { "\"", "\",", "\":", " \"", "{\"", "\"}", "}\n", ": ", ", ", "name", "arguments", "\"name", "</", "<", ">", ">\n", "[", "]", "get", "get_weather", "search", "city", "query", "true", "1", "12", "a\"", "é", "=", "(", ")", "'", "',", "\n", "\n<", "json" }.Distinct())
            vocabulary.Add(piece.Replace(' ', TinyVocabulary.Escaped));
        if (isMarked)
        {
            foreach (var marker in Marker().Matches(syntax.ToString()).Select(match => match.Value).Distinct())
                vocabulary.Add(marker, TokenKind.Control);
        }

        return vocabulary.Build();
    }

    [Theory]
    [MemberData(nameof(TurnTemplates.Names), MemberType = typeof(TurnTemplates))]
    public void What_a_template_writes_is_read_back(string name) => AssertRoundTrip(name, TurnTemplates.Source(name));

    [Fact]
    public void What_the_templates_of_real_models_write_is_read_back()
    {
        var read = 0;
        foreach (var (name, source) in TurnTemplates.Real())
        {
            if (TurnTemplates.Learn(source) is { Prompting: ToolPrompting.ByTemplate, Name: not "harmony" })
            {
                AssertRoundTrip(name, source);
                read++;
            }
        }

        Assert.InRange(read, 20, 100);
    }

    [Theory]
    [MemberData(nameof(TurnTemplates.Names), MemberType = typeof(TurnTemplates))]
    public void Whatever_a_model_would_rather_say_its_calls_fit(string name) => AssertWalks(name, TurnTemplates.Learn(TurnTemplates.Source(name)).Calls, Texts);

    [Fact]
    public void Calls_of_real_models_dialects_fit_too()
    {
        foreach (var (name, source) in TurnTemplates.Real())
        {
            if (TurnTemplates.Learn(source) is { Name: not "harmony" } dialect)
                AssertWalks(name, dialect.Calls, Math.Max(2, Texts / 10));
        }
    }

    [Theory]
    [MemberData(nameof(TurnTemplates.Names), MemberType = typeof(TurnTemplates))]
    public void Where_calls_are_forbidden_none_begins(string name)
    {
        var syntax = TurnTemplates.Learn(TurnTemplates.Source(name)).Calls;
        var request = Request(ToolChoice.None);
        var form = CallForms.Answer(syntax, ToolSet.Read(request, TestContext.Current.CancellationToken), request, isPython: false);
        if (syntax.Mark.Length == 0)
        {
            Assert.Null(form);
            return;
        }

        var random = new Random(5);
        foreach (var isMarked in new[] { false, true })
        {
            var tokenizer = Vocabulary(syntax, isMarked);
            var compiled = new ConstraintCompiler(tokenizer, tokenizer.VocabularySize).Compile(Constraint.Composed(form!), TestContext.Current.CancellationToken);
            for (var i = 0; i < 10; i++)
            {
                // A model that wants nothing but the mark.
                var walk = compiled.Start();
                var mask = new ulong[compiled.Vocabulary.MaskLength];
                var tokens = new List<int>();
                var beginnings = Enumerable.Range(0, tokenizer.VocabularySize).Where(id => tokenizer.TokenBytes(id) is { Length: > 0 } bytes && Encoding.UTF8.GetBytes(syntax.Mark).AsSpan().IndexOf(bytes) >= 0).ToHashSet();
                for (var j = 0; j < 60; j++)
                {
                    walk.FillMask(mask);
                    var allowed = RandomWalk.TokensOf(mask);
                    var wanted = allowed.Where(beginnings.Contains).ToList();
                    var token = wanted.Count > 0 && random.Next(8) > 0 ? wanted[random.Next(wanted.Count)] : allowed[random.Next(allowed.Count)];
                    if (tokenizer.IsEndOfGeneration(token))
                        continue;
                    Assert.True(walk.TryAccept(token));
                    tokens.Add(token);
                }

                Assert.DoesNotContain(syntax.Mark, tokenizer.Decode([.. tokens], includeControl: true, continuesText: true), StringComparison.Ordinal);
            }
        }
    }

    // HEARTH_TURNS asks for more than a minute has time for.
    private static int Texts => int.TryParse(Environment.GetEnvironmentVariable("HEARTH_TURNS"), System.Globalization.CultureInfo.InvariantCulture, out var texts) ? texts : 20;

    private static void AssertRoundTrip(string name, string source)
    {
        var render = TurnTemplates.Renderer(source);
        var (_, syntax, _) = TurnTemplates.Learn(source);
        var tools = ToolSet.Read(Request(), TestContext.Current.CancellationToken);
        JsonObject[] all =
        [
            new JsonObject { ["city"] = name == "Python" ? "Zürich" : "Zürich, 'old' town <b>", ["days"] = 7 },
            new JsonObject { ["query"] = "a b", ["limit"] = null, ["sort"] = 3, ["filter"] = new JsonObject { ["tags"] = new JsonArray("x", "y") } },
            [],
            new JsonObject { ["on"] = true, ["either"] = "word" },
        ];
        for (var i = 0; i < all.Length; i++)
        {
            ToolCall[] calls = syntax.Separator is null
                ? [new ToolCall("abcdefgh1", s_names[i], all[i])]
                : [new ToolCall("abcdefgh1", s_names[i], all[i]), new ToolCall("abcdefgh2", s_names[(i + 1) % all.Length], all[(i + 1) % all.Length])];
            // Some write what lies within values in ways of their own; here it is JSON, which is read as well.
            if (TryRender(render, calls) is not { } text || (Array.Exists(calls, call => call.Name == "search") && !text.Contains(JsonText.Spaced(all[1]["filter"]), StringComparison.Ordinal)))
                continue;

            // The answer: from where the first call begins to what ends the turn.
            var at = text.LastIndexOf(syntax.Head.Length > 0 ? Plain(syntax.Head) : s_names[i], StringComparison.Ordinal);
            at = calls.Length > 1 && syntax.Opening.Length == 0 ? text.IndexOf(Plain(syntax.Head) is { Length: > 0 } head ? head : s_names[i], StringComparison.Ordinal) : at;
            if (at < 0)
                continue;
            var answer = text[at..];
            foreach (var size in new[] { 1, 7, int.MaxValue })
            {
                var (content, read, _, warnings) = Read(syntax, tools, answer, size);
                Assert.True(read.Count >= calls.Length, $"{name}: {read.Count} calls of '{answer}', warnings: {string.Join("; ", warnings)}");
                for (var j = 0; j < calls.Length; j++)
                {
                    Assert.Equal(calls[j].Name, read[j].Name);
                    Assert.True(JsonNode.DeepEquals(calls[j].Arguments, JsonNode.Parse(read[j].Arguments)), $"{name}: '{calls[j].Arguments}' came as '{read[j].Arguments}' of '{answer}'");
                }
            }
        }
    }

    private static string Plain(string head) => head.Replace(CallSyntax.Id.ToString(), "abcdefgh1", StringComparison.Ordinal).Replace(CallSyntax.Index, '0');

    private static string? TryRender(Func<ChatPrompt, string> render, ToolCall[] calls)
    {
        foreach (var (content, hasResults) in new[] { ("", false), (null, false), ("", true), (null, true) })
        {
            try
            {
                var results = calls.Where(_ => hasResults).Select(call => new ChatMessage("tool", "RESULT") { Name = call.Name, ToolCallId = call.Id });
                var text = render(new ChatPrompt
                {
                    Messages = [new("user", "Hello"), new ChatMessage("assistant", content) { ToolCalls = calls }, .. results],
                    AddGenerationPrompt = false,
                });
                if (text.Contains(calls[0].Name, StringComparison.Ordinal))
                    return text;
            }
            catch (HearthException)
            {
                // The other form, or none: such a template takes no such chat.
            }
        }

        return null;
    }

    private static void AssertWalks(string name, CallSyntax syntax, int texts)
    {
        var random = new Random(11);
        var ended = 0;
        foreach (var isMarked in new[] { false, true })
        {
            var tokenizer = Vocabulary(syntax, isMarked);
            var vocabulary = new ConstraintVocabulary(tokenizer, tokenizer.VocabularySize);
            var compiler = new ConstraintCompiler(tokenizer, tokenizer.VocabularySize);
            foreach (var choice in new[] { ToolChoice.Required, ToolChoice.Named("search"), ToolChoice.Auto })
            {
                var request = Request(choice, parallel: isMarked);
                var tools = ToolSet.Read(request, TestContext.Current.CancellationToken);
                var form = CallForms.Answer(syntax, tools, request, isPython: false)!;
                var compiled = compiler.Compile(Constraint.Composed(form), TestContext.Current.CancellationToken);
                for (var i = 0; i < texts; i++)
                {
                    var tokens = new List<int>();
                    var hasEnded = choice.Mode == ToolChoiceMode.Auto
                        ? Behind(compiled, vocabulary, "é a\n" + syntax.Head, random, tokens)
                        : RandomWalk.Generate(compiled, random, 1500, tokens) is not null;
                    if (!hasEnded)
                        continue;
                    ended++;
                    var text = tokenizer.Decode([.. tokens], includeControl: true, continuesText: true);
                    var (content, calls, finished, warnings) = Read(syntax, tools, text, random.Next(1, 9));
                    Assert.True(warnings.Count == 0 && finished, $"{name}: '{text}' was not read: {string.Join("; ", warnings)}");
                    Assert.Equal(choice.Mode == ToolChoiceMode.Auto && syntax.Mark.Length > 0 ? "é a" : choice.Mode == ToolChoiceMode.Auto ? content : "", content);
                    if (choice.Mode == ToolChoiceMode.Required)
                        Assert.NotEmpty(calls);
                    Assert.All(calls, call => AssertFits(call, text, tools));
                    if (!isMarked)
                        Assert.InRange(calls.Count, 0, 1);
                }
            }
        }

        Assert.True(ended >= texts, $"{name}: only {ended} texts ended");
    }

    // What a model may write behind a beginning.
    private static bool Behind(CompiledConstraint compiled, ConstraintVocabulary vocabulary, string text, Random random, List<int> tokens)
    {
        var walk = compiled.Start();
        var mask = new ulong[vocabulary.MaskLength];
        foreach (var part in Placeholder().Split(text))
        {
            var spelled = vocabulary.Spell(part == "\uE000" ? "abcdefgh1" : part == "\uE001" ? "0" : part);
            for (var at = 0; at < spelled.Length;)
            {
                var begin = at;
                var token = Enumerable.Range(0, vocabulary.Size).Where(id => vocabulary.Bytes(id) is { Length: > 0 } one && spelled.AsSpan(begin).StartsWith(one)).MaxBy(id => vocabulary.Bytes(id).Length);
                Assert.True(walk.TryAccept(token), $"'{text}' is refused at byte {at}");
                tokens.Add(token);
                at += vocabulary.Bytes(token).Length;
            }
        }

        for (var i = 0; i < 1500; i++)
        {
            if (walk.CanEnd && (walk.MustEnd || random.Next(4) == 0))
                return true;
            walk.FillMask(mask);
            var token = RandomWalk.Choose(RandomWalk.TokensOf(mask), vocabulary, random);
            Assert.True(token >= 0 && walk.TryAccept(token));
            tokens.Add(token);
        }

        return false;
    }

    private static void AssertFits((string Name, string Arguments) call, string text, ToolSet tools)
    {
        var schema = Assert.Single(tools.Callable, tool => tool.Name == call.Name).Schema;
        Assert.True(SchemaVerdict.Of(JsonSchema.FromText(schema), schema, call.Arguments) is not false, $"'{call.Arguments}' of '{text}' is not valid for {call.Name}");
    }

    private static (string Content, List<(string Name, string Arguments)> Calls, bool Finished, List<string> Warnings) Read(CallSyntax syntax, ToolSet tools, string text, int size)
    {
        var reader = new MarkedTurnReader(new ChatDialect("test", syntax, ToolPrompting.ByTemplate, null), tools, new CallIds(new ChatPrompt { Messages = [] }), isThinking: false, continuesText: false);
        var content = new StringBuilder();
        var calls = new List<(string Id, string Name, StringBuilder Arguments, bool IsComplete)>();
        var warnings = new List<string>();
        for (var at = 0; at <= text.Length; at += Math.Min(size, text.Length + 1))
        {
            var pieces = new TurnPieces();
            if (at < text.Length)
                reader.Append(text.Substring(at, Math.Min(size, text.Length - at)), pieces);
            if (size == int.MaxValue || at + size > text.Length)
                reader.End(pieces);
            Take(pieces);
        }

        return (content.ToString(), [.. calls.Where(call => call.IsComplete).Select(call => (call.Name, call.Arguments.ToString()))], calls.TrueForAll(call => call.IsComplete), warnings);

        void Take(TurnPieces pieces)
        {
            content.Append(pieces.Text);
            warnings.AddRange(pieces.Warnings);
            foreach (var piece in pieces.Calls)
            {
                if (piece.Index == calls.Count)
                {
                    Assert.Equal("", piece.Arguments);
                    Assert.DoesNotContain(piece.Id, calls.Select(call => call.Id));
                    calls.Add((piece.Id, piece.Name, new StringBuilder(), false));
                }

                var call = calls[piece.Index];
                Assert.False(call.IsComplete);
                Assert.Equal((call.Id, call.Name), (piece.Id, piece.Name));
                call.Arguments.Append(piece.Arguments);
                calls[piece.Index] = call with { IsComplete = piece.IsComplete };
            }
        }
    }

    [GeneratedRegex(@"<[^<>\s=""]+>|\[[A-Z_]+\]", RegexOptions.CultureInvariant)]
    private static partial Regex Marker();

    [GeneratedRegex("([\uE000\uE001])", RegexOptions.CultureInvariant)]
    private static partial Regex Placeholder();
}
