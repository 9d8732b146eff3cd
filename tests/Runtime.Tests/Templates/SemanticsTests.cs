using System.Text.Json;
using Hearth.Runtime.Templates;
using Hearth.Runtime.Tests.Support;

namespace Hearth.Runtime.Tests.Templates;

/// <summary>Small templates against what Jinja2 3.1 answered; <c>regenerate.py</c> beside the fixture asks it again.</summary>
public sealed class SemanticsTests
{
    [Fact]
    public void Every_small_template_gives_what_Jinja2_gives()
    {
        using var document = JsonDocument.Parse(File.ReadAllText(SharedFolder.Fixture("templates", "semantics.json")));
        var variables = document.RootElement.GetProperty("variables");
        var wrong = new List<string>();
        var count = 0;
        foreach (var item in document.RootElement.GetProperty("cases").EnumerateArray())
        {
            count++;
            var template = item.GetProperty("template").GetString()!;
            var expected = item.TryGetProperty("text", out var text) ? $"text {text.GetString()}" : $"error {item.GetProperty("error").GetString()}";
            var actual = Outcome(template, variables);
            if (actual != expected)
                wrong.Add($"{template}\n  expected {expected}\n  got      {actual}");
        }

        Assert.True(count > 1300);
        Assert.Empty(wrong);
    }

    private static string Outcome(string template, JsonElement variables)
    {
        try
        {
            return $"text {ChatTemplate.Parse(template).Render(variables, new FixedClock())}";
        }
        catch (TemplateException e)
        {
            return $"error {e.Kind}";
        }
    }
}
