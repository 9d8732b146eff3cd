namespace Hearth.Ember.Data;

/// <summary>The endless training set: dialogue number i follows from the seed and i alone.</summary>
public static class Dialogues
{
    public static Dialogue Training(int seed, long index)
    {
        var draw = new Draw(unchecked(seed * 1_000_003 + (int)index * 7919), Side.Training);
        var chat = new ChatDialogues(draw);
        return draw.Chance(0.30) ? chat.Build() : new ToolDialogues(draw, chat).Build();
    }
}
