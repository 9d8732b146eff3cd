using System.Text;
using System.Text.Json;
using Hearth.Runtime.Constraints;

namespace Hearth.Runtime.Tests.Constraints.Walks;

/// <summary>A number that is written on and on always comes to an end, and to one that is valid.</summary>
public sealed class NumberEndTests
{
    [Theory]
    [InlineData("""{"const": 1}""", "0.", "0")]
    [InlineData("""{"const": 12.5}""", "0.", "0")]
    [InlineData("""{"const": -0.125}""", "-0.", "0")]
    [InlineData("""{"enum": [3, 1e300, 7e-300]}""", "0.", "0")]
    [InlineData("""{"minimum": 2, "exclusiveMaximum": 2.0000001}""", "0.", "0")]
    [InlineData("""{"minimum": 2, "exclusiveMaximum": 2.0000001}""", "2.0", "0")]
    [InlineData("""{"exclusiveMinimum": 1, "multipleOf": 3, "maximum": 40}""", "0.", "0")]
    [InlineData("""{"multipleOf": 1000003}""", "7", "123456789")]
    [InlineData("""{"type": "integer", "multipleOf": 1000003}""", "7", "123456789")]
    [InlineData("""{"multipleOf": 60, "minimum": 1}""", "1", "1379")]
    [InlineData("""{"multipleOf": 0.007}""", "1.", "1379")]
    [InlineData("""{"type": "integer", "not": {"multipleOf": 2}}""", "1", "02468")]
    [InlineData("""{"minimum": 1, "maximum": 3}""", "1.", "0123456789")]
    public void Digits_that_go_on_for_ever_lead_to_a_number(string schema, string beginning, string digits)
    {
        var tokenizer = WalkVocabularies.OddBytes;
        var compiled = new ConstraintCompiler(tokenizer, tokenizer.VocabularySize).Compile(Constraint.JsonSchema($$"""{"type": "number", "allOf": [{{schema}}]}"""), TestContext.Current.CancellationToken);
        var random = new Random(5);
        var (walk, text, mask) = (compiled.Start(), new StringBuilder(), new ulong[compiled.Vocabulary.MaskLength]);
        foreach (var value in beginning)
        {
            Assert.True(TryWrite(value), $"{text} {value}");
        }

        // The digits that are wanted while they may come, then whatever may, the end where it may.
        var isFree = false;
        while (!walk.MustEnd && !(isFree && walk.CanEnd))
        {
            Assert.InRange(text.Length, 0, 2000);
            isFree = isFree || !Enumerable.Range(0, digits.Length).Any(_ => TryWrite(digits[random.Next(digits.Length)]));
            if (isFree && !walk.CanEnd)
            {
                walk.FillMask(mask);
                var allowed = RandomWalk.TokensOf(mask).Where(token => compiled.Vocabulary.Bytes(token).Length == 1).ToList();
                Assert.True(allowed.Count > 0, $"nothing may follow {text}");
                Assert.True(TryWrite((char)compiled.Vocabulary.Bytes(allowed[random.Next(allowed.Count)])[0]));
            }
        }

        Assert.True(walk.CanEnd);
        Assert.InRange(text.Length, 20, 2000);
        _ = JsonElement.Parse(text.ToString());

        bool TryWrite(char value)
        {
            var token = Enumerable.Range(0, compiled.Vocabulary.Size).First(id => compiled.Vocabulary.Bytes(id) is [var one] && one == value);
            if (!walk.TryAccept(token))
            {
                return false;
            }

            text.Append(value);
            return true;
        }
    }
}
