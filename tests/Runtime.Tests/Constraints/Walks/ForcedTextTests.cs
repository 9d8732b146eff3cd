using System.Text;
using Hearth.Runtime.Constraints;

namespace Hearth.Runtime.Tests.Constraints.Walks;

/// <summary>What is forced is allowed, and spelled as the tokenizer spells the whole text.</summary>
public sealed class ForcedTextTests
{
    private const string ToolCall = """
        {"type":"object","properties":{"name":{"const":"get_weather"},"arguments":{"type":"object","properties":{"city":{"type":"string"},"unit":{"enum":["celsius","fahrenheit"]},"days":{"type":"integer"}},
        "required":["city","unit","days"],"additionalProperties":false}},"required":["name","arguments"],"additionalProperties":false}
        """;

    [Theory]
    [InlineData("ember")]
    [InlineData("stories260K")]
    public void Most_tokens_of_a_tool_call_are_forced(string vocabulary)
    {
        var tokenizer = WalkVocabularies.ByName(vocabulary);
        var compiled = new ConstraintCompiler(tokenizer, tokenizer.VocabularySize).Compile(Constraint.JsonSchema(ToolCall) with { Layout = JsonLayout.Spaced }, TestContext.Current.CancellationToken);
        var tokens = compiled.Vocabulary.Encode("""{"name": "get_weather", "arguments": {"city": "Paris", "unit": "celsius", "days": 3}}"""u8);
        var (walk, forced, count) = (compiled.Start(), new List<int>(), 0);
        for (var i = 0; i < tokens.Count;)
        {
            walk.FindForced(forced);
            Assert.Equal(tokens.Skip(i).Take(forced.Count), forced);
            count += forced.Count;
            foreach (var token in forced.Count > 0 ? forced : [tokens[i]])
            {
                Assert.True(walk.TryAccept(token));
                i++;
            }
        }

        Assert.True(walk.MustEnd);
        TestContext.Current.TestOutputHelper!.WriteLine($"{count} of {tokens.Count} tokens are forced");
        Assert.True(count * 2 > tokens.Count, $"{count} of {tokens.Count} tokens are forced");
    }

    // Texts are written at random and then spelled by the tokenizer; wherever something is forced, it is what comes next in that spelling.
    [Theory]
    [InlineData("pieces")]
    [InlineData("bytes")]
    [InlineData("ember")]
    [InlineData("stories260K")]
    public void What_is_forced_is_spelled_as_the_whole_text_is(string vocabulary)
    {
        var tokenizer = WalkVocabularies.ByName(vocabulary);
        var compiler = new ConstraintCompiler(tokenizer, tokenizer.VocabularySize);
        var random = new Random(11);
        var faults = new List<string>();
        var count = 0;
        var constraints = WalkConstraints.Schemas.SelectMany(schema => new[] { JsonLayout.Compact, JsonLayout.Spaced }.Select(layout => Constraint.JsonSchema(schema) with { Layout = layout })).Concat(WalkConstraints.Others);
        foreach (var constraint in constraints)
        {
            var compiled = compiler.Compile(constraint);
            for (var i = 0; i < 5; i++)
            {
                if (RandomWalk.Generate(compiled, random, 80) is { } text)
                {
                    Follow(constraint, compiled, text);
                }
            }
        }

        Assert.True(faults.Count == 0, $"{faults.Count} faults\n" + string.Join('\n', faults.Take(20)));
        Assert.True(count > 100, $"{count} tokens were forced");

        void Follow(Constraint constraint, CompiledConstraint compiled, byte[] text)
        {
            var tokens = compiled.Vocabulary.Encode(text);
            var (walk, forced) = (compiled.Start(), new List<int>());
            for (var i = 0; i < tokens.Count; i++)
            {
                walk.FindForced(forced);
                count += forced.Count;
                if (!tokens.Skip(i).Take(forced.Count).SequenceEqual(forced))
                {
                    faults.Add($"{constraint.Source}: {Encoding.UTF8.GetString(text)} at token {i}: {Spell(forced)} is forced, but {Spell(tokens.Skip(i).Take(forced.Count + 1))} comes");
                    return;
                }

                var probe = walk.Fork();
                Assert.All(forced, token => Assert.True(probe.TryAccept(token)));
                if (!walk.TryAccept(tokens[i]))
                {
                    // Spelled with a token that is no text, or that the tokenizer reads differently.
                    return;
                }
            }
        }

        string Spell(IEnumerable<int> ids) => string.Join('|', ids.Select(tokenizer.TokenText));
    }
}
