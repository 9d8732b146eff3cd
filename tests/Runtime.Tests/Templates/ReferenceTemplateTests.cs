using Hearth.Runtime.Templates;
using Hearth.Runtime.Tests.Support;

namespace Hearth.Runtime.Tests.Templates;

/// <summary>Templates of real models against Jinja2's renderings of them.</summary>
public sealed class ReferenceTemplateTests
{
    [Fact]
    public void Every_reference_template_renders_as_Jinja2_renders_it()
    {
        var folder = SharedFolder.Require("reference", "templates");
        var cases = File.ReadAllText(Path.Combine(folder, "cases.json"));
        var templates = Directory.GetFiles(folder, "*.jinja");
        Assert.NotEmpty(templates);
        var wrong = templates.Where(t =>
            TemplateCases.RenderJson(File.ReadAllText(t), cases, new FixedClock()) != File.ReadAllText(Path.ChangeExtension(t, ".expected.json")));
        Assert.Empty(wrong.Select(Path.GetFileName));
    }
}
